//! Webhooks.md §2.4: a request body has at most 256 KiB.
