//! The API's description: OpenAPI 3.1, written by hand and held to the routes and types by tests.

use std::sync::LazyLock;

use api::{Kind, MAX_HEADER};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The document.
#[must_use]
pub fn document() -> Value {
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Id"}});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pasteur",
            "version": "1",
            "description": "Sealed pastes. Everything but the public header is encrypted before it comes here. Where GET is, HEAD is too, and OPTIONS is everywhere; another method gets 405 with Allow, and an address that is not described here 404 (no-route).",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": {
            "/api/v1/pastes": {"post": {
                "operationId": "create",
                "summary": "Create a paste",
                "description": "The parts have to come in the order header, read, expires_in, content. Nothing is visible before all of it is durable.",
                "requestBody": {"required": true, "content": {"multipart/form-data": {
                    "schema": {"$ref": "#/components/schemas/Form"},
                    "encoding": {"content": {"contentType": "application/octet-stream"}},
                }}},
                "responses": answers(201, Some("Created"), &[
                    Kind::TooLarge, Kind::UnsupportedType, Kind::TooMany, Kind::Internal, Kind::Full,
                ]),
            }},
            "/api/v1/pastes/{id}": {
                "parameters": [id],
                "get": {
                    "operationId": "info",
                    "summary": "What anybody with the id may know of a paste",
                    "responses": answers(200, Some("Info"), &[Kind::NotFound, Kind::Burnt, Kind::Internal]),
                },
                "delete": {
                    "operationId": "delete",
                    "summary": "Remove a paste with its delete token, or burn it with its lease",
                    "security": [{"deleteToken": []}, {"lease": []}],
                    "responses": answers(204, None, &[
                        Kind::TokenMissing, Kind::TokenWrong, Kind::NotFound, Kind::Burnt, Kind::TooMany, Kind::Internal, Kind::Full,
                    ]),
                },
            },
            "/api/v1/pastes/{id}/content": {
                "parameters": [id],
                "get": {
                    "operationId": "content",
                    "summary": "The ciphertext, whole or a range of it",
                    "security": [{"readToken": []}, {"lease": []}],
                    "parameters": [
                        {"name": "Range", "in": "header", "schema": {"type": "string"}, "description": "One range of bytes (RFC 9110)."},
                        {"name": "If-Range", "in": "header", "schema": {"type": "string"}, "description": "The ETag of an earlier answer."},
                    ],
                    "responses": content_answers(),
                },
            },
            "/api/v1/pastes/{id}/claim": {
                "parameters": [id],
                "post": {
                    "operationId": "claim",
                    "summary": "Become the one reader of a paste that burns",
                    "security": [{"readToken": []}],
                    "responses": answers(200, Some("Claimed"), &[
                        Kind::TokenMissing, Kind::TokenWrong, Kind::NotFound, Kind::NothingToClaim, Kind::Burnt,
                        Kind::TooMany, Kind::Internal, Kind::Full,
                    ]),
                },
            },
            "/api/v1/limits": {"get": {
                "operationId": "limits",
                "summary": "What this server allows",
                "responses": answers(200, Some("ServerLimits"), &[]),
            }},
            "/api/v1/openapi.json": {"get": {
                "operationId": "openapi",
                "summary": "This document",
                "responses": with_content(answers(200, None, &[]), "application/json", &json!({"type": "object"})),
            }},
            "/healthz": {"get": {
                "operationId": "health",
                "summary": "Whether the server is alive",
                "responses": with_content(answers(200, None, &[]), "text/plain", &json!({"type": "string"})),
            }},
        },
        "components": {"schemas": schemas(), "securitySchemes": {
            "readToken": {"type": "http", "scheme": "bearer", "description": "Derived from the link: proves that a reader has it."},
            "deleteToken": {"type": "http", "scheme": "bearer", "description": "The creator's, from the answer to the creation."},
            "lease": {"type": "http", "scheme": "bearer", "description": "The one reader's, from the answer to the claim."},
        }},
    })
}

/// The document's bytes.
pub(crate) fn bytes() -> Bytes {
    static BYTES: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());
    BYTES.clone()
}

fn schemas() -> Value {
    let seconds =
        json!({"type": ["integer", "null"], "minimum": 0, "description": "Seconds since 1970; null is never."});
    let token = json!({"$ref": "#/components/schemas/Token"});
    let kinds: Vec<String> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
    json!({
        "Id": {"type": "string", "pattern": "^[1-9A-HJ-NP-Za-km-z]{12}$"},
        "Token": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$", "description": "32 bytes in base64url without padding."},
        "Form": {
            "type": "object",
            "required": ["header", "read", "expires_in", "content"],
            "properties": {
                "header": {"type": "string", "maxLength": MAX_HEADER, "description": "The public header: JSON, kept and given back verbatim."},
                "read": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$", "description": "SHA-256 of the read token, base64url without padding."},
                "expires_in": {"type": "string", "pattern": "^(never|[1-9][0-9]*)$", "description": "Seconds of life, from 1 to 3153600000 (100 years), or never."},
                "content": {"type": "string", "contentMediaType": "application/octet-stream", "description": "The ciphertext."},
            },
        },
        "Created": object(&[
            ("id", json!({"$ref": "#/components/schemas/Id"})),
            ("delete_token", token.clone()),
            ("expires_at", seconds.clone()),
        ]),
        "Info": object(&[
            ("header", json!({"type": "string", "description": "The public header exactly as it was sent."})),
            ("size", json!({"type": "integer", "minimum": 0, "description": "The content's length in bytes."})),
            ("created_at", json!({"type": "integer", "minimum": 0, "description": "Seconds since 1970."})),
            ("expires_at", seconds.clone()),
            ("state", json!({"type": "string", "enum": ["open", "claimed"]})),
        ]),
        "Claimed": object(&[
            ("lease", token),
            ("expires_in", json!({"type": "integer", "minimum": 1, "description": "Seconds the lease lasts; reading renews it."})),
        ]),
        "ServerLimits": object(&[
            ("max_paste", json!({"type": "integer", "minimum": 0, "description": "The largest content in bytes."})),
            ("max_expiry", json!({"type": ["integer", "null"], "minimum": 1, "description": "The longest life in seconds; null is for ever."})),
        ]),
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status"],
            "description": "RFC 9457.",
            "properties": {
                "type": {"type": "string", "enum": kinds},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "What exactly was wrong, and where."},
                "limit": {"type": "string", "description": "The limit that was passed."},
                "value": {"type": "integer", "description": "The limit's value."},
                "retry_after": {"type": "integer", "description": "Seconds to wait; also in Retry-After."},
            },
        },
    })
}

/// An object all of whose properties are always there.
fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = properties.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// What any request may be answered, as [`Kind::facts`].
const EVERYWHERE: [(&str, u16, &str); 4] = [
    Kind::Malformed.facts(),
    Kind::TooSlow.facts(),
    (Kind::TooLarge.facts().0, 431, "The request's head is larger than the limit"),
    Kind::Unavailable.facts(),
];

/// Headers that an answer has for its status: the status, the name, the description, the type.
const HEADERS: [(&str, &str, &str, &str); 5] = [
    ("201", "Location", "The paste's address in this API.", "string"),
    ("401", "WWW-Authenticate", "Bearer (RFC 6750).", "string"),
    ("416", "Content-Range", "The content's size: bytes */SIZE.", "string"),
    ("429", "Retry-After", "Seconds to wait.", "integer"),
    ("503", "Retry-After", "Seconds to wait.", "integer"),
];

/// An operation's answers: the good one, and the problems.
fn answers(status: u16, schema: Option<&str>, problems: &[Kind]) -> Value {
    let mut answers = Map::new();
    let good = match schema {
        Some(schema) => {
            let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
            json!({"description": "Done", "content": {"application/json": {"schema": schema}}})
        }
        None => json!({"description": "Done"}),
    };
    answers.insert(status.to_string(), good);
    let facts = problems.iter().map(|kind| kind.facts());
    for (name, status, title) in facts.chain(EVERYWHERE) {
        let entry = answers.entry(status.to_string()).or_insert_with(|| {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            json!({"description": "", "content": {"application/problem+json": {"schema": schema}}})
        });
        let said = entry["description"].as_str().unwrap_or_default();
        let or = if said.is_empty() { "" } else { "; or " };
        entry["description"] = json!(format!("{said}{or}{title} ({name})"));
    }
    for (status, name, description, schema) in HEADERS {
        if let Some(answer) = answers.get_mut(status) {
            answer["headers"][name] = json!({"description": description, "schema": {"type": schema}});
        }
    }
    Value::Object(answers)
}

/// The good answer with another content.
fn with_content(mut answers: Value, media_type: &str, schema: &Value) -> Value {
    answers["200"]["content"] = json!({media_type: {"schema": schema}});
    answers
}

fn content_answers() -> Value {
    let mut answers = answers(
        200,
        None,
        &[
            Kind::TokenMissing,
            Kind::TokenWrong,
            Kind::NotFound,
            Kind::ClaimNeeded,
            Kind::Burnt,
            Kind::Range,
            Kind::TooMany,
            Kind::Internal,
        ],
    );
    let octets = json!({"application/octet-stream": {}});
    let header = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let (tag, units) = (header("For If-Range."), header("bytes"));
    let all = json!({"ETag": tag, "Accept-Ranges": units});
    answers["200"] = json!({"description": "All of it", "content": octets, "headers": all});
    let range = header("Which bytes these are (RFC 9110, section 14.4).");
    let part = json!({"ETag": tag, "Accept-Ranges": units, "Content-Range": range});
    answers["206"] = json!({"description": "The range", "content": octets, "headers": part});
    answers
}

#[cfg(test)]
mod tests {
    use api::{Claimed, Created, Info, PasteState, Problem, ServerLimits, Token};
    use serde::Serialize;

    use super::*;
    use crate::route::Route;

    /// The property names of a schema, and those of the JSON that a value is written as.
    fn agree(name: &str, value: &impl Serialize) {
        let document = document();
        let schema = &document["components"]["schemas"][name];
        let written = serde_json::to_value(value).unwrap();
        let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(keys(&schema["properties"]), keys(&written), "{name}");
    }

    #[test]
    fn types_are_as_written() {
        let id = "1z1z23456789".parse().unwrap();
        let token = Token::new([7; 32]);
        agree("Created", &Created { id, delete_token: token.clone(), expires_at: None });
        let state = PasteState::Open;
        agree("Info", &Info { header: String::new(), size: 0, created_at: 0, expires_at: None, state });
        agree("Claimed", &Claimed { lease: token, expires_in: 600 });
        agree("ServerLimits", &ServerLimits { max_paste: 1, max_expiry: None });
        agree("Problem", &Problem::new(Kind::Full).detail("").limit("", 0).retry_after(0));
    }

    #[test]
    fn every_route_of_the_api_is_described_and_no_other() {
        let document = document();
        let mut described: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let site = ["/", "/{id}", "/{file}", "/api/{unknown}"];
        let mut routes: Vec<&str> = Route::NAMES.into_iter().filter(|name| !site.contains(name)).collect();
        described.sort_unstable();
        routes.sort_unstable();
        assert_eq!(described, routes);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
