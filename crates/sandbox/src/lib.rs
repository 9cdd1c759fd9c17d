//! An embedded S3 endpoint that enforces ACLs, policies and Block Public Access, for the demo and for tests.
