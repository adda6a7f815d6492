//! The axum extractor.

use core::fmt;

use axum_core::body::Body;
use axum_core::extract::{FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use axum_core::{BoxError, RequestExt};
use http_body_util::LengthLimitError;

use super::field::Form;
use super::pieces::StreamPieces;
use super::source::BodySource;
use crate::adapt::ReadError;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::parse::Parser;

/// An extractor of a strict form (see [`Parser::strict`]), to be read field by field. Its limits are the request's extension of
/// type [`Limits`] where there is one (`axum::Extension(limits)` as a layer), else the defaults; and, as with every extractor
/// of a body, axum's `DefaultBodyLimit`, which is 2 MB unless it is set or disabled.
#[derive(Debug)]
pub struct RequestForm(pub Form<StreamPieces<BodySource<Body>>>);

/// An answer that says why a form was refused: the status that [`Error::status`] hints at, and a line of text. A request body
/// that is longer than axum's own limit is answered by 413, one that failed otherwise by 400, as it was the client's connection.
#[derive(Debug)]
pub struct FormRejection(ReadError<BoxError>);

impl<S: Sync> FromRequest<S> for RequestForm {
    type Rejection = FormRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, FormRejection> {
        let limits = request.extensions().get::<Limits>().cloned().unwrap_or_default();
        let value = request.headers().get(http::header::CONTENT_TYPE);
        let value = value.ok_or_else(|| Error::new(ErrorKind::NotMultipart))?;
        let parser = Parser::strict(value.as_bytes(), limits)?;
        Ok(Self(Form::from_body(request.into_limited_body(), parser)))
    }
}

impl FormRejection {
    /// What was wrong with the form, if it was not its body's source that failed.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            ReadError::Form(error) => Some(error),
            ReadError::Source(_) => None,
        }
    }

    /// The status it is answered by.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        match &self.0 {
            ReadError::Form(error) => {
                http::StatusCode::from_u16(error.status()).unwrap_or(http::StatusCode::BAD_REQUEST)
            }
            ReadError::Source(error) if is_too_long(&**error) => http::StatusCode::PAYLOAD_TOO_LARGE,
            ReadError::Source(_) => http::StatusCode::BAD_REQUEST,
        }
    }
}

fn is_too_long(error: &(dyn core::error::Error + 'static)) -> bool {
    core::iter::successors(Some(error), |error| error.source()).any(<dyn core::error::Error>::is::<LengthLimitError>)
}

impl From<Error> for FormRejection {
    fn from(error: Error) -> Self {
        Self(ReadError::Form(error))
    }
}

impl<E: Into<BoxError>> From<ReadError<E>> for FormRejection {
    fn from(error: ReadError<E>) -> Self {
        Self(match error {
            ReadError::Form(error) => ReadError::Form(error),
            ReadError::Source(error) => ReadError::Source(error.into()),
        })
    }
}

impl IntoResponse for FormRejection {
    fn into_response(self) -> Response {
        (self.status(), alloc::format!("{}\n", self.0)).into_response()
    }
}

impl fmt::Display for FormRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for FormRejection {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0 {
            ReadError::Form(error) => Some(error),
            ReadError::Source(error) => Some(&**error),
        }
    }
}
