//! The ports of guard over the AWS SDK and S3-compatible endpoints.
