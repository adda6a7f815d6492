//! The axum extractor.

use core::fmt;

use axum_core::body::Body;
use axum_core::extract::{FromRequest, Request};
use axum_core::response::{IntoResponse, Response};

use super::field::Form;
use super::pieces::StreamPieces;
use super::source::BodySource;
use crate::adapt::ReadError;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::parse::Parser;

/// An extractor of a strict form (see [`Parser::strict`]), to be read field by field. Its limits are the request's extension of
/// type [`Limits`] where there is one (`axum::Extension(limits)` as a layer), else the defaults.
#[derive(Debug)]
pub struct RequestForm(pub Form<StreamPieces<BodySource<Body>>>);

/// An answer that says why a form was refused: the status that [`Error::status`] hints at, and a line of text. A source that
/// failed is answered by 400, as it was the client's connection.
#[derive(Debug)]
pub struct FormRejection(Error);

impl<S: Sync> FromRequest<S> for RequestForm {
    type Rejection = FormRejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, FormRejection> {
        let limits = request.extensions().get::<Limits>().cloned().unwrap_or_default();
        let value = request.headers().get(http::header::CONTENT_TYPE);
        let value = value.ok_or_else(|| Error::new(ErrorKind::NotMultipart))?;
        let parser = Parser::strict(value.as_bytes(), limits)?;
        Ok(Self(Form::from_body(request.into_body(), parser)))
    }
}

impl FormRejection {
    /// What was wrong.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl From<Error> for FormRejection {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl<E> From<ReadError<E>> for FormRejection {
    fn from(error: ReadError<E>) -> Self {
        Self(match error {
            ReadError::Form(error) => error,
            ReadError::Source(_) => Error::new(ErrorKind::UnexpectedEof),
        })
    }
}

impl IntoResponse for FormRejection {
    fn into_response(self) -> Response {
        let status = http::StatusCode::from_u16(self.0.status()).unwrap_or(http::StatusCode::BAD_REQUEST);
        (status, alloc::format!("{}\n", self.0)).into_response()
    }
}

impl fmt::Display for FormRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for FormRejection {}
