//! Tables that a power cut may hit.
