//! Options from the command line, the environment and the file.

use crate::server::{Place, Server, fails};

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let place = Place::new();
    let store = place.path("store.redb");
    let text = format!(
        "store = {store:?}\nsite = \"site.img\"\nlisten = \"127.0.0.1:0\"\nmax-paste = \"1MiB\"\nmax-expiry = \"7d\"\n"
    );
    let file = place.write("pasteur.toml", text);
    let limits = |options: &[&str], env: Option<&str>| {
        let mut command = place.bare(&[&["--config", &file], options].concat());
        if let Some(value) = env {
            command.env("PASTEUR_MAX_PASTE", value);
        }
        let server = Server::start(command);
        let limits = server.get("/api/v1/limits");
        server.end();
        limits.lines().last().unwrap().to_owned()
    };
    assert_eq!(limits(&[], None), r#"{"max_paste":1048576,"max_expiry":604800}"#);
    assert_eq!(limits(&[], Some("2MiB")), r#"{"max_paste":2097152,"max_expiry":604800}"#);
    assert_eq!(limits(&["--max-paste=3MB"], Some("2MiB")), r#"{"max_paste":3000000,"max_expiry":604800}"#);
}

#[test]
fn several_addresses_and_an_admin_apart() {
    let place = Place::new();
    let mut command = place.bare(&["--listen", "127.0.0.1:0,[::1]:0", "--admin-listen", "127.0.0.1:0"]);
    command.env("PASTEUR_STORE", place.path("store.redb")).env("PASTEUR_SITE", place.path("site.img"));
    let server = Server::listening(command, 3);
    for address in 0..2 {
        assert!(server.get_at(address, "/healthz").ends_with("\r\n\r\nok\n"));
        assert!(server.get_at(address, "/metrics").starts_with("HTTP/1.1 404 "));
    }
    assert!(server.get_at(2, "/metrics").contains("\npasteur_pastes 0\n"));
    assert!(server.get_at(2, "/readyz").ends_with("ready\n"));
    server.end();
}

#[test]
fn a_file_that_is_wrong_is_told_by_line() {
    let place = Place::new();
    let file = place.path("pasteur.toml").to_str().unwrap().to_owned();
    for (text, code, says) in [
        (
            "# sizes\n\nmax_pasta = \"1MiB\"\n",
            2,
            "line 3: there is no option \"max_pasta\"; did you mean \"max-paste\"?",
        ),
        ("colour = 1\n", 2, "line 1: there is no option \"colour\""),
        ("max-paste = \"1 MiB or so\"\n", 2, "line 1: max-paste: "),
        ("\nmax-paste = true\n", 2, "line 2: max-paste: "),
        ("trusted-proxies = [\"10.0.0.0/33\"]\n", 2, "line 1: trusted-proxies: "),
        ("listen = \n", 2, "line 1: not TOML"),
        ("[store]\nfile = \"x\"\n", 2, "line 1: store: "),
    ] {
        place.write("pasteur.toml", text);
        let (seen, said) = fails(place.command(&["--config", &file]));
        assert_eq!(seen, code, "{text}: {said}");
        assert!(said.starts_with(&format!("pasteur: {file}: {says}")), "{text}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    std::fs::remove_file(&file).unwrap();
    let (code, said) = fails(place.command(&["--config", &file]));
    assert_eq!(code, 7);
    assert!(said.starts_with(&format!("pasteur: {file}: cannot be read: ")), "{said}");
    // Nothing was made of any of these.
    assert!(!place.path("store.redb").exists());
}

#[test]
fn an_option_that_is_wrong_is_told() {
    let place = Place::new();
    for (options, says) in [
        (["--max-paste", "lots"], "--max-paste"),
        (["--listen", "localhost"], "--listen"),
        (["--grace", "soon"], "--grace"),
        (["--max-pasta", "1"], "--max-pasta"),
        (["--max-paste", "0"], "'0' for '--max-paste"),
        (["--quota", "0"], "'0' for '--quota"),
        (["--connections", "0"], "'0' for '--connections"),
        (["--acme-directory", "http://authority.example"], "like https://authority.example/directory"),
        (["--acme-contact", "operator"], "like operator@paste.example"),
        (["--h3-port", "443"], "--h3-port needs TLS"),
    ] {
        let (code, said) = fails(place.command(&options));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(says), "{said}");
    }
    // What the environment gives is not called an argument.
    for (name, value) in [("PASTEUR_MAX_PASTE", "lots"), ("PASTEUR_SWEEP", "soon"), ("PASTEUR_QUOTA", "0")] {
        let mut command = place.command(&[]);
        command.env(name, value);
        let (code, said) = fails(command);
        assert_eq!((code, said.contains(&format!("{name} in the environment: "))), (2, true), "{said}");
    }
    let mut command = place.command(&["--max-paste", "few"]);
    command.env("PASTEUR_MAX_PASTE", "lots");
    let (_, said) = fails(command);
    assert!(said.starts_with("error: invalid value 'few' for '--max-paste"), "{said}");
    let (code, said) = fails(place.bare(&["--listen", "127.0.0.1:0"]));
    assert_eq!((code, said.contains("--store")), (2, true), "{said}");
}
