//! Manifests for the tests of its neighbours.

use device::manifest::Manifest;

/// A manifest of these entries: kind, flags, name.
pub(super) fn manifest(devices: &[(u8, u8, &str)]) -> Manifest {
    let mut bytes = Vec::new();
    for (kind, flags, name) in devices {
        bytes.extend([*kind, *flags, 0, 0]);
        bytes.extend(name.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(24), 0);
    }
    Manifest::decode(&bytes).unwrap()
}
