// Server-sent events, read with fetch because EventSource cannot send a token.

export interface ServerEvent {
  name: string;
  id: string;
  data: string;
}

function parse(block: string): ServerEvent | undefined {
  const event: ServerEvent = { name: 'message', id: '', data: '' };
  for (const line of block.split('\n')) {
    const at = line.indexOf(': ');
    const [field, value] = at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 2)];
    if (field === 'event') event.name = value;
    if (field === 'id') event.id = value;
    if (field === 'data') event.data += value;
  }
  return event.data ? event : undefined;
}

/** The events of an answer, until it ends. */
export async function* events(answer: Response): AsyncGenerator<ServerEvent> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parse(block);
      if (event) yield event;
    }
  }
}
