//! What is generated from the definitions: help, completions, the manual.

use crate::world::{World, names};

#[test]
fn completions_know_every_command_and_option() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.run(&["completions", shell]).ok().out();
        for word in ["put", "get", "rm", "info", "serve", "password-file", "output-dir", "burn"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    world.run(&["completions", "csh"]).fails(2, &["csh"]);
}

/// What bash offers for the last of these words.
fn offered(script: &std::path::Path, words: &[&str]) -> String {
    let last = words.len() - 1;
    let before = if last > 0 { words[last - 1] } else { "" };
    let program = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD={last}; _pasteur pasteur '{}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.join(" "),
        words[last],
    );
    let ran = std::process::Command::new("bash").args(["--norc", "-c", &program]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn bash_completes_commands_and_options() {
    let world = World::new();
    let script = world.file("completions", world.run(&["completions", "bash"]).ok().out());
    let lines = |words: &[&str]| offered(&script, words).lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&["pasteur", "pu"]), ["put"]);
    assert_eq!(lines(&["pasteur", "put", "--passw"]), ["--password", "--password-file"]);
    assert_eq!(lines(&["pasteur", "serve", "--max-"]), ["--max-paste", "--max-expiry"]);
    assert_eq!(lines(&["pasteur", "put", "--formatter", ""]), ["plain", "code", "markdown"]);
}

#[test]
fn every_command_has_its_page() {
    let world = World::new();
    let page = world.run(&["man", "put"]).ok().out();
    for word in
        [".TH pasteur-put 1", "password\\-file", ".SH ENVIRONMENT", "PASTEUR_SERVER", ".SH EXAMPLES", ".SH NOTES"]
    {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(world.run(&["man"]).ok().out().contains(".SH EXIT CODES"));
    assert!(world.run(&["man", "unikernel", "inspect"]).ok().out().contains(".TH pasteur-unikernel-inspect 1"));
    world.run(&["man", "nonsense"]).fails(2, &["nonsense"]);
    std::fs::create_dir(world.path("man")).unwrap();
    world.run(&["man", "--all", "man"]).ok();
    let pages = names(&world.path("man"));
    for page in [
        "pasteur.1",
        "pasteur-put.1",
        "pasteur-get.1",
        "pasteur-rm.1",
        "pasteur-serve.1",
        "pasteur-unikernel-inspect.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
}

#[test]
fn help_is_there_and_shows_examples() {
    let world = World::new();
    for (arguments, words) in [
        (&["--help"][..], &["Examples:", "Exit codes:", "put", "serve"][..]),
        (&["-h"], &["Examples:"]),
        (&["put", "--help"], &["--expires", "--burn", "--password-file", "pasteur put notes.txt"]),
        (&["get", "-h"], &["--output-dir", "--force"]),
    ] {
        let help = world.run(arguments).ok().out();
        for word in words {
            assert!(help.contains(word), "{arguments:?}: {word}");
        }
    }
}
