//! Which address means what.

use api::Id;
use api::path;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    /// All pastes.
    Pastes,
    /// One paste.
    Paste(Id),
    /// Its content.
    Content(Id),
    /// Its claim.
    Claim(Id),
    /// What the server allows.
    Limits,
    /// The API's description.
    OpenApi,
    /// Whether the server is alive.
    Health,
    /// The page that shows a paste.
    Show,
    /// A file of the site.
    File(&'p str),
    /// An address of the API that is none.
    Nothing,
}

impl<'p> Route<'p> {
    /// The route of a request's path.
    pub(crate) fn of(path: &'p str) -> Self {
        if let Some(rest) = path.strip_prefix(path::PASTES) {
            return match rest.strip_prefix('/') {
                Some(rest) => Self::of_paste(rest),
                None if rest.is_empty() => Self::Pastes,
                None => Self::Nothing,
            };
        }
        match path {
            path::LIMITS => Self::Limits,
            path::OPENAPI => Self::OpenApi,
            "/healthz" => Self::Health,
            "/" => Self::File("/index.html"),
            _ if path.starts_with("/api/") => Self::Nothing,
            _ if path.strip_prefix('/').is_some_and(|id| id.parse::<Id>().is_ok()) => Self::Show,
            _ => Self::File(path),
        }
    }

    fn of_paste(rest: &str) -> Self {
        let (id, what) = match rest.split_once('/') {
            Some((id, what)) => (id, Some(what)),
            None => (rest, None),
        };
        let Ok(id) = id.parse() else { return Self::Nothing };
        match what {
            None => Self::Paste(id),
            Some("content") => Self::Content(id),
            Some("claim") => Self::Claim(id),
            Some(_) => Self::Nothing,
        }
    }

    /// The route's name in logs and metrics: it holds nothing of the request.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pastes => "/api/v1/pastes",
            Self::Paste(_) => "/api/v1/pastes/{id}",
            Self::Content(_) => "/api/v1/pastes/{id}/content",
            Self::Claim(_) => "/api/v1/pastes/{id}/claim",
            Self::Limits => "/api/v1/limits",
            Self::OpenApi => "/api/v1/openapi.json",
            Self::Health => "/healthz",
            Self::Show => "/{id}",
            Self::File("/index.html") => "/",
            Self::File(_) => "/{file}",
            Self::Nothing => "/api/{unknown}",
        }
    }

    /// A small number for each name, below [`Route::COUNT`].
    pub(crate) fn index(self) -> usize {
        Self::NAMES.iter().position(|name| *name == self.name()).unwrap_or_default()
    }

    /// How many names there are.
    pub(crate) const COUNT: usize = Self::NAMES.len();

    /// All names.
    pub(crate) const NAMES: [&'static str; 11] = [
        "/api/v1/pastes",
        "/api/v1/pastes/{id}/content",
        "/api/v1/pastes/{id}",
        "/api/v1/pastes/{id}/claim",
        "/",
        "/{id}",
        "/{file}",
        "/api/v1/limits",
        "/api/v1/openapi.json",
        "/healthz",
        "/api/{unknown}",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_route() {
        let id: Id = "1z1z23456789".parse().unwrap();
        let cases = [
            ("/", Route::File("/index.html")),
            ("/1z1z23456789", Route::Show),
            ("/1z1z2345678", Route::File("/1z1z2345678")),
            ("/assets/a.css", Route::File("/assets/a.css")),
            ("/api/v1/pastes", Route::Pastes),
            ("/api/v1/pastes/", Route::Nothing),
            ("/api/v1/pastesx", Route::Nothing),
            ("/api/v1/pastes/1z1z23456789", Route::Paste(id)),
            ("/api/v1/pastes/1z1z23456789/content", Route::Content(id)),
            ("/api/v1/pastes/1z1z23456789/claim", Route::Claim(id)),
            ("/api/v1/pastes/1z1z23456789/content/", Route::Nothing),
            ("/api/v1/pastes/../limits", Route::Nothing),
            ("/api/v1/limits", Route::Limits),
            ("/api/v2/limits", Route::Nothing),
            ("/healthz", Route::Health),
            ("*", Route::File("*")),
            ("", Route::File("")),
            ("/é", Route::File("/é")),
        ];
        for (path, route) in cases {
            assert_eq!(Route::of(path), route, "{path}");
            assert_eq!(Route::NAMES[route.index()], route.name());
        }
    }
}
