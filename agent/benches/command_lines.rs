//! What masking a command line costs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pidflow_agent::privacy::Privacy;

const COMMAND_LINES: [(&str, &[u8]); 4] = [
    ("short", b"/usr/sbin/cron\0-f\0-P\0"),
    ("server", b"/usr/sbin/mariadbd\0--basedir=/usr\0--datadir=/var/lib/mysql\0--user=mysql\0--socket=/run/mysqld/mysqld.sock\0"),
    ("secret", b"curl\0-sS\0-H\0Authorization: Bearer abcdef\0https://host.example/path?a=1\0"),
    ("shell", b"/bin/sh\0-c\0test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\0"),
];

fn command_lines(c: &mut Criterion) {
    let Ok(privacy) = Privacy::new(None) else { return };
    let mut group = c.benchmark_group("command_line");
    for (name, arguments) in COMMAND_LINES {
        group.bench_function(name, |b| b.iter(|| privacy.command_line(black_box(arguments), false)));
    }
    group.finish();
}

criterion_group!(benches, command_lines);
criterion_main!(benches);
