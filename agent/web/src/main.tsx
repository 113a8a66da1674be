import { render } from 'preact';
import { App } from './app';
import { Live } from './live';
import { applyTheme } from './theme';
import './page.css';

applyTheme();
render(<App live={new Live()} />, document.getElementById('page')!);
