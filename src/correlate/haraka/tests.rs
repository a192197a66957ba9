//! Stories, line by line.
