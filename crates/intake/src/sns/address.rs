//! Which web addresses are SNS's own.

use axum::http::Uri;

/// An address on a host of SNS: `https://sns.REGION.amazonaws.com`, or `….com.cn` in China (AWS General
/// Reference, "Amazon SNS endpoints and quotas").
pub(super) fn of_sns(address: &str) -> Option<Uri> {
    // What is no plain text of an address could be read in another way by whoever fetches it.
    if address.len() > 4_096 || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let uri: Uri = address.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let region = authority.strip_prefix("sns.")?;
    let region = region
        .strip_suffix(".amazonaws.com")
        .or_else(|| region.strip_suffix(".amazonaws.com.cn"))?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // No port, no name and password, no further label: the authority is the host and nothing else.
    let is_region = (1..=32).contains(&region.len()) && region.bytes().all(fits);
    (uri.scheme_str() == Some("https") && is_region && !address.contains(['#', '\\']))
        .then_some(uri)
}

/// The address of a certificate: `/SimpleNotificationService-HEX.pem` there.
pub(super) fn of_certificate(address: &str) -> Option<Uri> {
    let uri = of_sns(address)?;
    let name = uri
        .path()
        .strip_prefix("/SimpleNotificationService-")?
        .strip_suffix(".pem")?;
    let plain = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain && uri.query().is_none()).then_some(uri)
}

/// The address that confirms a subscription to this topic, and does nothing else.
pub(super) fn of_confirmation(address: &str, topic: &str) -> Option<Uri> {
    let uri = of_sns(address)?;
    let mut parameters: Vec<_> = form_urlencoded::parse(uri.query()?.as_bytes()).collect();
    parameters.sort();
    let names: Vec<&str> = parameters.iter().map(|(name, _)| &**name).collect();
    let value = |wanted: &str| {
        let mut values = parameters.iter().filter(|(name, _)| name == wanted);
        values.next().map(|(_, value)| &**value)
    };
    let fits = names == ["Action", "Token", "TopicArn"]
        && uri.path() == "/"
        && value("Action") == Some("ConfirmSubscription")
        && value("TopicArn") == Some(topic);
    fits.then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_sns_are_taken() {
        let path = "SimpleNotificationService-0123456789abcdef.pem";
        for host in [
            "sns.eu-central-1.amazonaws.com",
            "sns.us-gov-west-1.amazonaws.com",
            "sns.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(
                of_certificate(&format!("https://{host}/{path}")).is_some(),
                "{host}"
            );
        }
        for address in [
            "http://sns.eu-central-1.amazonaws.com/P",
            "https://sns.eu-central-1.amazonaws.com.example.com/P",
            "https://sns.eu-central-1.amazonaws.com:8443/P",
            "https://sns.eu-central-1.amazonaws.com@example.com/P",
            "https://example.com@sns.eu-central-1.amazonaws.com/P",
            "https://example.com/sns.eu-central-1.amazonaws.com/P",
            "https://example.com\\.sns.eu-central-1.amazonaws.com/P",
            "https://sns.a.b.amazonaws.com/P",
            "https://sns..amazonaws.com/P",
            "https://sns.amazonaws.com/P",
            "https://s3.eu-central-1.amazonaws.com/P",
            "https://bucket.s3.amazonaws.com/P",
            "https://xsns.eu-central-1.amazonaws.com/P",
            "https://SNS.eu-central-1.amazonaws.com/P",
            "https://sns.eu-central-1.amazonaws.com/a/P",
            "https://sns.eu-central-1.amazonaws.com/../P",
            "https://sns.eu-central-1.amazonaws.com/P?x",
            "https://sns.eu-central-1.amazonaws.com/P#x",
            "https://sns.eu-central-1.amazonaws.com/Px",
            "https://sns.eu-central-1.amazonaws.com/",
            "//sns.eu-central-1.amazonaws.com/P",
            "sns.eu-central-1.amazonaws.com/P",
            "/P",
            "",
            " https://sns.eu-central-1.amazonaws.com/P",
            "https://sns.eu-central-1.amazonaws.com/P\n",
        ] {
            let address = address.replace('P', path);
            assert!(of_certificate(&address).is_none(), "{address}");
        }
    }

    #[test]
    fn a_confirmation_confirms_this_topic_and_does_nothing_else() {
        let topic = "arn:aws:sns:eu-central-1:111122223333:events";
        let confirms = |query: &str| {
            let address = format!("https://sns.eu-central-1.amazonaws.com/{query}");
            of_confirmation(&address, topic).is_some()
        };
        assert!(confirms(
            "?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:111122223333:events&Token=2336"
        ));
        assert!(confirms(
            "?Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A111122223333%3Aevents&Token=2336"
        ));
        for query in [
            "",
            "?Action=ConfirmSubscription&Token=2336",
            "?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:444455556666:events&Token=2336",
            "?Action=Unsubscribe&TopicArn=arn:aws:sns:eu-central-1:111122223333:events&Token=2336",
            "?Action=ConfirmSubscription&Action=DeleteTopic&TopicArn=arn:aws:sns:eu-central-1:111122223333:events&Token=2336",
            "a?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:111122223333:events&Token=2336",
        ] {
            assert!(!confirms(query), "{query}");
        }
    }
}
