//! Pastes as a bench makes them: the creating form, with content that no server looks into.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};
use api::Token;

const HEADER: &str = r#"{"v":1,"kdf":null,"burn":false,"comments":false}"#;

/// Content of so many bytes.
pub(super) fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 % 251) as u8).collect()
}

/// The creating form, with `bench` as its boundary.
pub(super) fn form(read: &Token, content: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(content.len() + 1024);
    let read = Token::encode_hash(&read.hash());
    let parts: [(&str, &[u8]); 4] =
        [("header", HEADER.as_bytes()), ("read", read.as_bytes()), ("expires_in", b"86400"), ("content", content)];
    for (name, value) in parts {
        body.extend(format!("--bench\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes());
        body.extend(value);
        body.extend(b"\r\n");
    }
    body.extend(b"--bench--\r\n");
    body
}

/// Sends a form to the server at `address`; gives the paste's id.
pub(super) fn create(address: &str, form: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /api/v1/pastes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=bench\r\nContent-Length: {}\r\n\r\n",
        form.len()
    )?;
    stream.write_all(form)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let id = answer.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"')).map(|(id, _)| id.to_owned());
    id.with_context(|| answer)
}

/// The request for a paste's content.
pub(super) fn request(id: &str, token: &Token, connection: &str) -> String {
    format!(
        "GET /api/v1/pastes/{id}/content HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\
         Authorization: Bearer {}\r\n\r\n",
        *token.encode()
    )
}

/// wrk's Lua that creates pastes.
pub(super) fn creating(form: &[u8]) -> String {
    let body: String = form.iter().map(|b| format!("\\{b:03}")).collect();
    format!(
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'multipart/form-data; boundary=bench'\nwrk.body = '{body}'\n"
    )
}

/// wrk's Lua that reads the contents of pastes by turns. The requests are made beforehand: otherwise this measures how fast wrk's
/// Lua makes them.
pub(super) fn reading(ids: &[String], token: &Token) -> String {
    let ids: String = ids.iter().map(|id| format!("{id:?},")).collect();
    format!(
        "local ids = {{{ids}}}\nlocal requests, n = {{}}, 0\nwrk.headers['Authorization'] = 'Bearer {}'\n\
         init = function()\n\
         for i, id in ipairs(ids) do requests[i] = wrk.format(nil, '/api/v1/pastes/' .. id .. '/content') end end\n\
         request = function() n = n % #requests + 1; return requests[n] end\n",
        *token.encode()
    )
}
