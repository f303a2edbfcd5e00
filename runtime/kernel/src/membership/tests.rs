//! Views by example, the hash by properties.
