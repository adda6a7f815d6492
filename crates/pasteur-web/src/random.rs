//! Random bytes, from the platform's CSPRNG and nowhere else.

use crate::dom;
use crate::trouble::Trouble;

/// Fresh random bytes.
///
/// # Errors
/// [`Trouble::Browser`] where there is no CSPRNG: then nothing is sealed.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Trouble> {
    const NONE: Trouble = Trouble::Browser("crypto.getRandomValues");
    let mut bytes = [0; N];
    let crypto = dom::window()?.crypto().map_err(|_| NONE)?;
    crypto.get_random_values_with_u8_array(&mut bytes).map_err(|_| NONE)?;
    Ok(bytes)
}
