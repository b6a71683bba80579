//! What `check` says of what models are shown.
