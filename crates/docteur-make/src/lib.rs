//! Builds docteur images from a folder.
