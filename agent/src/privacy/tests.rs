use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use super::*;

fn policy() -> Privacy {
    Privacy::new(None).unwrap()
}

/// As a process has its arguments.
fn raw(arguments: &[&str]) -> Vec<u8> {
    arguments.iter().flat_map(|a| a.bytes().chain([0])).collect()
}

#[test]
fn arguments_are_joined_by_blanks() {
    assert_eq!(&*policy().command_line(b"a\0b c\0\0\0", false), "a b c");
    assert_eq!(&*policy().command_line(b"a\0\0b c\0", false), "a b c");
    assert_eq!(&*policy().command_line(b"", false), "");
    assert_eq!(&*policy().command_line(b"\0\0", false), "");
    assert_eq!(&*policy().command_line(b"x\xff\0", false), "x\u{fffd}");
}

#[test]
fn each_mode_keeps_what_it_says() {
    let arguments = raw(&["prog", "--password=hunter2"]);
    let kept = |command_lines| Privacy { command_lines, ..policy() }.command_line(&arguments, false);
    assert_eq!(&*kept(CommandLines::Masked), "prog --password=***");
    assert_eq!(&*kept(CommandLines::Full), "prog --password=hunter2");
    assert_eq!(&*kept(CommandLines::Off), "");
    let hash = kept(CommandLines::Hash);
    assert!(hash.starts_with("hash:") && hash.len() == 21, "{hash}");
}

#[test]
fn a_command_line_has_a_bound() {
    let long = "x ".repeat(500_000);
    for command_lines in [CommandLines::Masked, CommandLines::Full] {
        let policy = Privacy { command_lines, ..policy() };
        let kept = policy.command_line(&raw(&["prog", &long]), false);
        assert!(kept.len() <= MAX_COMMAND_LINE && kept.ends_with('…'), "{}", kept.len());
        let kept = Privacy { max_command_line: 64, ..policy }.command_line(&raw(&[&"ä".repeat(99)]), false);
        assert!(kept.len() <= 64 && kept.ends_with('…'), "{kept}");
    }
}

/// Wherever the bound falls, no part of the secret is behind it.
#[test]
fn no_cut_shows_a_secret() {
    let secret = "S3cr3tPartOfIt";
    for arguments in [
        vec!["psql".into(), format!("postgres://bob:{secret}@db.example/x")],
        vec!["x".into(), format!("--dsn=root:{secret}@tcp(db:1)/x")],
        vec!["sh".into(), "-c".into(), format!("echo {secret} | sudo -S reboot")],
        vec!["curl".into(), "-H".into(), format!("Authorization: Bearer {secret}")],
        vec!["sshpass".into(), "-p".into(), secret.into(), "ssh".into(), "h".into()],
        vec![format!("DB_PASSWORD={secret}")],
        vec!["x".into(), format!("eyJ{secret}.{secret}.{secret}")],
        vec!["x".into(), format!("-----BEGIN RSA PRIVATE KEY-----\n{secret}\n{secret}\n-----END RSA PRIVATE KEY-----")],
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let whole = raw(&arguments);
        for end in 1..whole.len() {
            let kept = policy().command_line(whole.get(..end).unwrap(), true);
            // Three characters of it in a row are too many.
            let shows = (0..secret.len() - 3).any(|at| kept.contains(&secret[at..at + 4]));
            assert!(!shows, "{arguments:?} cut at {end}: {kept}");
            let small = Privacy { max_command_line: end.max(8), ..policy() };
            let kept = small.command_line(&whole, false);
            assert!(
                (0..secret.len() - 3).all(|at| !kept.contains(&secret[at..at + 4])),
                "{arguments:?}, {end}: {kept}"
            );
        }
    }
}

#[test]
fn users_and_executables_follow_their_rules() {
    let names = || HashMap::from([(0, Arc::from("root")), (7, Arc::from("lp"))]);
    let omit = Privacy { users: Rule::Omit, executables: Rule::Omit, ..policy() };
    assert_eq!((omit.uid(7), &*omit.executable("/usr/bin/x")), (UNKNOWN_UID, ""));
    assert_eq!(omit.users(names()).get(&UNKNOWN_UID).map(|n| &**n), Some(""));
    let hash = Privacy { users: Rule::Hash, executables: Rule::Hash, ..policy() };
    assert!(hash.uid(7) != 7 && hash.uid(7) == hash.uid(7) && hash.uid(7) != hash.uid(8));
    assert_eq!((omit.known_uid(7), hash.known_uid(7), policy().known_uid(7)), (None, Some(hash.uid(7)), Some(7)));
    let units = || Placement { unit: "user@7.service".into(), slice: "user-7.slice".into(), ..Placement::default() };
    let kept = |privacy: &Privacy| {
        let kept = privacy.placement(units());
        (kept.unit.to_string(), kept.slice.to_string())
    };
    let number = hash.uid(7);
    assert_eq!(kept(&omit), ("user@.service".into(), "user-.slice".into()));
    assert_eq!(kept(&hash), (format!("user@{number}.service"), format!("user-{number}.slice")));
    assert_eq!(kept(&policy()), ("user@7.service".into(), "user-7.slice".into()));
    let hashed = hash.users(names());
    assert!(hashed.get(&hash.uid(7)).is_some_and(|n| n.starts_with("hash:")));
    assert!(hash.executable("/usr/bin/x").starts_with("hash:") && hash.executable("").is_empty());
    assert_eq!(&*Privacy { executables: Rule::Name, ..policy() }.executable("/usr/bin/x"), "x");
}

#[test]
fn hashes_depend_on_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let mut open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file).unwrap();
    writeln!(open, "0123456789abcdef0123456789abcdef").unwrap();
    let (one, same, other) =
        (Privacy::new(Some(&file)).unwrap(), Privacy::new(Some(&file)).unwrap(), Privacy::new(None).unwrap());
    assert_eq!(one.key.hash(b"x"), same.key.hash(b"x"));
    assert_ne!(one.key.hash(b"x"), other.key.hash(b"x"));
    assert!(!format!("{one:?}").contains("0123"));

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let said = format!("{:#}", Privacy::new(Some(&file)).unwrap_err());
    assert!(said.contains("chmod 600"), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, "short").unwrap();
    assert!(Privacy::new(Some(&file)).is_err() && Privacy::new(Some(dir.path())).is_err());
    assert!(Privacy::new(Some(Path::new("/no/such/key"))).is_err());
}

/// Anyone who starts a process chooses its arguments; they must not keep the agent busy.
#[test]
fn no_arguments_take_long() {
    let policy = policy();
    for part in [
        "=",
        ":",
        "a=",
        "a:",
        "\"'",
        "'",
        "\\",
        "@",
        "a:b@",
        "://",
        "://a:b",
        "echo ",
        " ",
        "password=",
        "a b ",
        "\"a\" ",
        "password '",
        "--password ",
        "sh -c '",
        "<<<",
        "eyJ",
        "-----BEGIN ",
        "+=",
        "()",
        "secret:",
        "Aa1",
        "/",
        "é",
        "; ",
        "token token ",
        "password:[",
        "token=[]",
        "password:\n -",
        "%41=",
        "\"token\", ",
        "environ['token']=",
        "identified by ",
        "<<E\npasswd ",
        "DB_PASSWORD x ",
    ] {
        let long = part.repeat(8_000 / part.len());
        let arguments = raw(&[&long]);
        let began = std::time::Instant::now();
        let kept = policy.command_line(&arguments, false);
        assert!(kept.len() <= MAX_COMMAND_LINE);
        // Unoptimised, and maybe beside other work.
        assert!(began.elapsed() < std::time::Duration::from_secs(3), "{part:?}: {:?}", began.elapsed());
    }
}
