//! The further parts of a bucket: S3's documents in AWS Config's shape.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use aws::connect::connect_with;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use guard::error::CallError;
use guard::ports::record::{BucketPart, RecordBuckets};
use serde_json::{Value, json};
use support::*;

/// What is recorded of a part when S3 answers this.
async fn part(part: BucketPart, answer: Answer) -> Result<Option<Value>, CallError> {
    let fake = Fake::new(move |asked| match asked.path.as_str() {
        "/" if asked.method == "GET" => Answer::new(200, LISTING),
        "/" => error(501, "NotImplemented"),
        _ => answer.clone(),
    });
    let client = SharedHttpClient::new(fake);
    let endpoint = Some("http://store.test:9000".to_owned());
    let store = connect_with(config(client), endpoint, &pace())
        .await
        .unwrap();
    store.part(&bucket("logs"), part).await
}

#[tokio::test]
async fn what_was_never_configured_is_off_or_absent() {
    for (kind, answer, recorded) in [
        (
            BucketPart::Versioning,
            Answer::new(200, "<VersioningConfiguration/>"),
            Some(json!({"status": "Off", "isMfaDeleteEnabled": null})),
        ),
        (
            BucketPart::Logging,
            Answer::new(200, "<BucketLoggingStatus/>"),
            Some(json!({"destinationBucketName": null, "logFilePrefix": null})),
        ),
        (
            BucketPart::Notification,
            Answer::new(200, "<NotificationConfiguration/>"),
            Some(json!({"configurations": {}})),
        ),
        (
            BucketPart::Acceleration,
            Answer::new(200, "<AccelerateConfiguration/>"),
            Some(json!({"status": null})),
        ),
        (
            BucketPart::RequestPayment,
            Answer::new(
                200,
                "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
            ),
            Some(json!(false)),
        ),
        (BucketPart::Tags, error(404, "NoSuchTagSet"), None),
        (
            BucketPart::Tags,
            Answer::new(200, "<Tagging><TagSet/></Tagging>"),
            None,
        ),
        (
            BucketPart::Website,
            error(404, "NoSuchWebsiteConfiguration"),
            None,
        ),
        (
            BucketPart::Encryption,
            error(404, "ServerSideEncryptionConfigurationNotFoundError"),
            None,
        ),
        (
            BucketPart::Lifecycle,
            error(404, "NoSuchLifecycleConfiguration"),
            None,
        ),
        (
            BucketPart::Replication,
            error(404, "ReplicationConfigurationNotFoundError"),
            None,
        ),
        (
            BucketPart::Cors,
            error(404, "NoSuchCORSConfiguration"),
            None,
        ),
        (
            BucketPart::ObjectLock,
            error(404, "ObjectLockConfigurationNotFoundError"),
            None,
        ),
    ] {
        assert_eq!(part(kind, answer).await, Ok(recorded), "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_configured_has_configs_shape() {
    for (kind, body, recorded) in [
        (
            BucketPart::Tags,
            "<Tagging><TagSet><Tag><Key>team</Key><Value>web</Value></Tag><Tag><Key>aws:x</Key><Value></Value></Tag></TagSet></Tagging>",
            json!({"tagSets": [{"tags": {"aws:x": "", "team": "web"}}]}),
        ),
        (
            BucketPart::Versioning,
            "<VersioningConfiguration><Status>Suspended</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>",
            json!({"status": "Suspended", "isMfaDeleteEnabled": true}),
        ),
        (
            BucketPart::Logging,
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>trail</TargetBucket><TargetPrefix>s3/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
            json!({"destinationBucketName": "trail", "logFilePrefix": "s3/"}),
        ),
        (
            BucketPart::Website,
            "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><Protocol>https</Protocol><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>",
            json!({"indexDocumentSuffix": "index.html", "errorDocument": null, "redirectAllRequestsTo": null,
                "routingRules": [{"condition": {"httpErrorCodeReturnedEquals": null, "keyPrefixEquals": "old/"},
                    "redirect": {"hostName": null, "httpRedirectCode": null, "protocol": "https",
                        "replaceKeyPrefixWith": "new/", "replaceKeyWith": null}}]}),
        ),
        (
            BucketPart::Encryption,
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:aws:kms:eu-central-1:111122223333:key/1</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
            json!({"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms",
                "kmsMasterKeyID": "arn:aws:kms:eu-central-1:111122223333:key/1"}, "bucketKeyEnabled": true}]}),
        ),
        (
            BucketPart::Notification,
            "<NotificationConfiguration><QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:eu-central-1:111122223333:q</Queue><Event>s3:ObjectAcl:Put</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a/</Value></FilterRule></S3Key></Filter></QueueConfiguration><CloudFunctionConfiguration><Id>f</Id><CloudFunction>arn:aws:lambda:eu-central-1:111122223333:function:f</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration><EventBridgeConfiguration/></NotificationConfiguration>",
            json!({"configurations": {
                "q": {"events": ["s3:ObjectAcl:Put"], "filter": {"s3KeyFilter": {"filterRules": [{"name": "prefix", "value": "a/"}]}},
                    "objectPrefixes": [], "type": "QueueConfiguration", "queueARN": "arn:aws:sqs:eu-central-1:111122223333:q"},
                "f": {"events": ["s3:ObjectCreated:*"], "filter": null, "objectPrefixes": [], "type": "LambdaConfiguration",
                    "functionARN": "arn:aws:lambda:eu-central-1:111122223333:function:f"},
                "EventBridgeConfiguration": {}}}),
        ),
        (
            BucketPart::Lifecycle,
            "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><And><Prefix>logs/</Prefix><Tag><Key>keep</Key><Value>no</Value></Tag></And></Filter><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition><Expiration><Days>90</Days></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><ID>date</ID><Status>Disabled</Status><Filter><Prefix></Prefix></Filter><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>",
            json!({"rules": [
                {"id": "old", "prefix": null, "status": "Enabled",
                    "filter": {"predicate": {"type": "LifecycleAndOperator", "operands": [
                        {"type": "LifecyclePrefixPredicate", "prefix": "logs/"},
                        {"type": "LifecycleTagPredicate", "tag": {"key": "keep", "value": "no"}}]}},
                    "expirationInDays": 90, "expirationDate": null, "expiredObjectDeleteMarker": false,
                    "noncurrentVersionExpirationInDays": -1, "newerNoncurrentVersions": null,
                    "transitions": [{"date": null, "days": 30, "storageClass": "GLACIER"}],
                    "noncurrentVersionTransitions": null, "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}},
                {"id": "date", "prefix": null, "status": "Disabled",
                    "filter": {"predicate": {"type": "LifecyclePrefixPredicate", "prefix": ""}},
                    "expirationInDays": -1, "expirationDate": "2030-01-01T00:00:00Z", "expiredObjectDeleteMarker": false,
                    "noncurrentVersionExpirationInDays": -1, "newerNoncurrentVersions": null,
                    "transitions": null, "noncurrentVersionTransitions": null, "abortIncompleteMultipartUpload": null}]}),
        ),
        (
            BucketPart::Replication,
            "<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role><Rule><ID>all</ID><Priority>1</Priority><Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::copy</Bucket><StorageClass>STANDARD_IA</StorageClass></Destination></Rule></ReplicationConfiguration>",
            json!({"roleARN": "arn:aws:iam::111122223333:role/r", "rules": {"all": {
                "prefix": null, "status": "Enabled", "priority": 1,
                "filter": {"predicate": {"type": "ReplicationPrefixPredicate", "prefix": "a/"}},
                "destinationConfig": {"bucketARN": "arn:aws:s3:::copy", "account": null, "storageClass": "STANDARD_IA",
                    "accessControlTranslation": null, "encryptionConfiguration": null, "replicationTime": null, "metrics": null},
                "sourceSelectionCriteria": null, "existingObjectReplication": null,
                "deleteMarkerReplication": {"status": "Disabled"}}}}),
        ),
        (
            BucketPart::Cors,
            "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>300</MaxAgeSeconds></CORSRule></CORSConfiguration>",
            json!({"rules": [{"id": null, "allowedMethods": ["GET"], "allowedOrigins": ["*"], "allowedHeaders": null,
                "exposedHeaders": null, "maxAgeSeconds": 300}]}),
        ),
        (
            BucketPart::Acceleration,
            "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
            json!({"status": "Enabled"}),
        ),
        (
            BucketPart::RequestPayment,
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
            json!(true),
        ),
        (
            BucketPart::ObjectLock,
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>",
            json!({"objectLockEnabled": "Enabled", "rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 30, "years": null}}}),
        ),
    ] {
        assert_eq!(
            part(kind, Answer::new(200, body)).await,
            Ok(Some(recorded)),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_root_named_after_the_call_holds_the_same_document() {
    for (kind, root, call, inner) in [
        (
            BucketPart::Versioning,
            "VersioningConfiguration",
            "GetBucketVersioningResponse",
            "<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>",
        ),
        (
            BucketPart::Acceleration,
            "AccelerateConfiguration",
            "GetBucketAccelerateConfigurationResponse",
            "<Status>Suspended</Status>",
        ),
        (
            BucketPart::Notification,
            "NotificationConfiguration",
            "GetBucketNotificationResponse",
            "<TopicConfiguration><Id>t</Id><Topic>arn:aws:sns:eu-central-1:111122223333:t</Topic><Event>s3:ObjectAcl:Put</Event><Event>s3:ObjectRemoved:*</Event></TopicConfiguration><QueueConfiguration><Queue>arn:aws:sqs:eu-central-1:111122223333:q</Queue><Event>s3:ObjectAcl:Put</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a/</Value></FilterRule></S3Key></Filter></QueueConfiguration><CloudFunctionConfiguration><Id>f</Id><CloudFunction>arn:aws:lambda:eu-central-1:111122223333:function:f</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration><EventBridgeConfiguration/>",
        ),
    ] {
        for inner in [inner, ""] {
            let as_documented = Answer::new(200, format!("<{root}>{inner}</{root}>"));
            let named_after_call = Answer::new(200, format!("<{call}>{inner}</{call}>"));
            let recorded = part(kind, as_documented).await;
            assert!(recorded.is_ok(), "{kind:?}: {recorded:?}");
            assert_eq!(part(kind, named_after_call).await, recorded);
        }
    }
}

#[tokio::test]
async fn another_document_is_not_the_part() {
    // Ceph's gateway lets a sub-resource that it does not know fall through to the listing.
    let listing = "<ListBucketResult><Name>logs</Name></ListBucketResult>";
    for kind in BucketPart::ALL {
        for answer in [
            Answer::new(200, listing),
            Answer::new(200, "<html>sign in</html>"),
            error(501, "NotImplemented"),
            error(405, "MethodNotAllowed"),
        ] {
            let recorded = part(kind, answer.clone()).await;
            assert!(
                matches!(recorded, Err(CallError::Unsupported { operation, .. }) if operation == kind.operation()),
                "{kind:?} {answer:?}: {recorded:?}"
            );
        }
        let denied = part(kind, error(403, "AccessDenied")).await;
        assert_eq!(
            denied,
            Err(CallError::AccessDenied {
                operation: kind.operation()
            })
        );
    }
}
