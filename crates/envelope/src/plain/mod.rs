//! The plaintext: a MIME form.
