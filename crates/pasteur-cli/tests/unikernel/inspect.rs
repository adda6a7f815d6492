//! What an image says of itself, and what is no image.

use std::path::Path;
use std::process::Command;

use crate::image;

/// Runs `pasteur unikernel inspect`: its exit code, and what it printed on each of its outputs.
fn inspect(image: &Path, options: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasteur"));
    let ran = command.args(["unikernel", "inspect"]).arg(image).args(options).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

#[test]
fn an_image_tells_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let bytes = image::with_devices(&[(1, 1, "store"), (1, 2, "config"), (2, 1, "net")]);
    std::fs::write(&path, &bytes).unwrap();
    let (code, told, _) = inspect(&path, &[]);
    let expected = "Size      292 B\nMemory    64 B, and a heap\nEntry     0x200100, by PVH\n\
        Disk      store, required\nDisk      config, optional, read-only\nCard      net, required\n";
    assert_eq!((code, told.as_str()), (0, expected));
    let (code, told, _) = inspect(&path, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let expected = serde_json::json!({
        "image": path, "size": 292, "entry": 0x20_0100, "memory": 64, "least_memory": null,
        "devices": [
            { "name": "store", "kind": "disk", "required": true, "read_only": false },
            { "name": "config", "kind": "disk", "required": false, "read_only": true },
            { "name": "net", "kind": "card", "required": true, "read_only": false },
        ]
    });
    assert_eq!((code, told), (0, expected));
}

#[test]
fn an_image_tells_the_least_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, image::with_memory(24)).unwrap();
    let (code, told, _) = inspect(&path, &[]);
    assert!(code == 0 && told.contains("Memory    64 B, and a heap: 24.0 MiB of the machine's at least\n"), "{told}");
    let told: serde_json::Value = serde_json::from_str(&inspect(&path, &["--json"]).1).unwrap();
    assert_eq!(told["least_memory"], 24 << 20);
}

#[test]
fn what_is_no_image_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let good = image::with_devices(&[(1, 1, "store")]);
    let kind = image::with_devices(&[(7, 1, "\x1b[2J")]);
    let bare = image::with_notes(&[]);
    for (bytes, code, why) in [
        (&b"#!/bin/sh\necho no\n"[..], 8, "it is no 64-bit ELF file"),
        (&good[..100], 8, "it is cut: the program headers would end at byte 176 of 100"),
        (&bare, 8, "it is no unikernel of libos: there is no manifest"),
        (&kind, 8, "its manifest: entry 0 is of kind 7, which is not known"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let (ended, told, error) = inspect(&path, &[]);
        assert_eq!((ended, told.as_str(), error), (code, "", format!("pasteur: {}: {why}\n", path.display())));
    }
    let (ended, _, error) = inspect(Path::new(env!("CARGO_BIN_EXE_pasteur")), &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!((ended, &told["error"]["exit_code"]), (8, &8.into()), "{told}");
    let (ended, _, error) = inspect(&folder.path().join("none"), &[]);
    assert!(ended == 7 && error.contains("none: No such file"), "{error}");
    let (ended, _, error) = inspect(folder.path(), &[]);
    assert!(ended == 7 && error.contains("directory"), "{error}");
}

#[test]
fn needs_qemu_the_examples_are_images() {
    let (code, told, error) = inspect(&image::example("http"), &[]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(told.ends_with("Card      net, required\n"), "{told}");
}
