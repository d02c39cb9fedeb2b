//! What a release is.
