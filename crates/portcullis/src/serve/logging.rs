//! Logs to standard error.

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::exit::Failure;

/// Begins to log. `PORTCULLIS_LOG` overrides the level with the directives of tracing's filters, such as
/// `guard=debug,info`.
pub(super) fn begin(log: &Log) -> Result<(), Failure> {
    let directives = match std::env::var("PORTCULLIS_LOG") {
        Ok(directives) if !directives.is_empty() => directives,
        _ => format!(
            // The SDK calls an answer an error that is looked at before it is believed.
            "{},aws_smithy_runtime_api=off,aws_config=warn,hyper=warn,rustls=warn",
            log.level.as_str()
        ),
    };
    let filter = EnvFilter::try_new(&directives)
        .map_err(|error| Failure::usage(format!("PORTCULLIS_LOG: {error}")))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let begun = match log.format {
        crate::config::LogFormat::Text => builder.try_init(),
        crate::config::LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| Failure::incomplete(format!("logging cannot begin: {error}")))
}
