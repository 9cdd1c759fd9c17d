//! The further parts of a bucket, in the shape in which AWS Config records them.
//!
//! Config's items are made from the AWS SDK for Java's model (its version 1): lowerCamel names, rules
//! and notifications by their ids, -1 for "no expiration", predicates with a type. Sources: recorded
//! items; moto's `to_config_dict`; the SDK's classes `BucketLifecycleConfiguration`,
//! `BucketReplicationConfiguration`, `BucketNotificationConfiguration`, `BucketCrossOriginConfiguration`,
//! `BucketWebsiteConfiguration`. Everything that S3 tells is kept, so that a change of any of it is
//! seen; members that the model lacks are named after S3's.

use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::operation::get_bucket_website::GetBucketWebsiteOutput;
use aws_sdk_s3::types as s3;
use serde_json::{Map, Value, json};

use super::timestamp;
use crate::xml::Element;

/// `{"tagSets": [{"tags": {…}}]}`; no tags are no configuration.
pub(crate) fn tags(set: &[s3::Tag]) -> Option<Value> {
    if set.is_empty() {
        return None;
    }
    let tags: Map<String, Value> = set
        .iter()
        .map(|tag| (tag.key.clone(), tag.value.clone().into()))
        .collect();
    Some(json!({"tagSets": [{"tags": tags}]}))
}

/// Off until somebody set it, and never again after.
pub(crate) fn versioning(
    status: Option<&s3::BucketVersioningStatus>,
    mfa_delete: Option<&s3::MfaDeleteStatus>,
) -> Value {
    json!({
        "status": status.map_or("Off", |status| status.as_str()),
        "isMfaDeleteEnabled": mfa_delete.map(|status| status.as_str() == "Enabled"),
    })
}

/// The same of the document itself.
pub(crate) fn versioning_document(document: &Element) -> Value {
    let status = document
        .text_at(&["Status"])
        .map(s3::BucketVersioningStatus::from);
    let mfa_delete = document
        .text_at(&["MfaDelete"])
        .map(s3::MfaDeleteStatus::from);
    versioning(status.as_ref(), mfa_delete.as_ref())
}

/// Both members are there, and null, while logging is off.
pub(crate) fn logging(enabled: Option<&s3::LoggingEnabled>) -> Value {
    let mut logging = json!({
        "destinationBucketName": enabled.map(|to| &to.target_bucket),
        "logFilePrefix": enabled.map(|to| &to.target_prefix),
    });
    if let Some(grants) = enabled.and_then(|to| to.target_grants.as_ref()) {
        logging["targetGrants"] = grants
            .iter()
            .map(|grant| {
                let to = grant.grantee.as_ref();
                json!({
                    "grantee": to.and_then(|to| to.id.as_ref().or(to.uri.as_ref()).or(to.email_address.as_ref())),
                    "permission": grant.permission.as_ref().map(|permission| permission.as_str()),
                })
            })
            .collect();
    }
    if let Some(format) = enabled.and_then(|to| to.target_object_key_format.as_ref()) {
        logging["targetObjectKeyFormat"] = match &format.partitioned_prefix {
            Some(prefix) => json!({"partitionedPrefix": {
                "partitionDateSource": prefix.partition_date_source.as_ref().map(|source| source.as_str()),
            }}),
            None => json!({"simplePrefix": {}}),
        };
    }
    logging
}

/// `BucketWebsiteConfiguration`.
pub(crate) fn website(answer: &GetBucketWebsiteOutput) -> Value {
    let protocol = |protocol: Option<&s3::Protocol>| protocol.map(|p| p.as_str().to_owned());
    json!({
        "indexDocumentSuffix": answer.index_document.as_ref().map(|index| &index.suffix),
        "errorDocument": answer.error_document.as_ref().map(|error| &error.key),
        "redirectAllRequestsTo": answer.redirect_all_requests_to.as_ref().map(|to| json!({
            "hostName": to.host_name,
            "protocol": protocol(to.protocol.as_ref()),
        })),
        "routingRules": answer.routing_rules().iter().map(|rule| json!({
            "condition": rule.condition.as_ref().map(|condition| json!({
                "httpErrorCodeReturnedEquals": condition.http_error_code_returned_equals,
                "keyPrefixEquals": condition.key_prefix_equals,
            })),
            "redirect": rule.redirect.as_ref().map(|redirect| json!({
                "hostName": redirect.host_name,
                "httpRedirectCode": redirect.http_redirect_code,
                "protocol": protocol(redirect.protocol.as_ref()),
                "replaceKeyPrefixWith": redirect.replace_key_prefix_with,
                "replaceKeyWith": redirect.replace_key_with,
            })),
        })).collect::<Vec<_>>(),
    })
}

/// `ServerSideEncryptionConfiguration`.
pub(crate) fn encryption(configuration: &s3::ServerSideEncryptionConfiguration) -> Value {
    let rules: Vec<Value> = configuration
        .rules
        .iter()
        .map(|rule| {
            let mut shaped = json!({
                "applyServerSideEncryptionByDefault": rule
                    .apply_server_side_encryption_by_default
                    .as_ref()
                    .map(|default| json!({
                        "sseAlgorithm": default.sse_algorithm.as_str(),
                        "kmsMasterKeyID": default.kms_master_key_id,
                    })),
                "bucketKeyEnabled": rule.bucket_key_enabled.unwrap_or(false),
            });
            let blocked = rule.blocked_encryption_types.as_ref();
            if let Some(blocked) = blocked.and_then(|blocked| blocked.encryption_type.as_ref()) {
                shaped["blockedEncryptionTypes"] =
                    blocked.iter().map(|kind| kind.as_str()).collect();
            }
            shaped
        })
        .collect();
    json!({"rules": rules})
}

/// One notification: its id, its kind, the member that says where to and where that is, the events,
/// and the rules of its filter.
struct Notification {
    id: Option<String>,
    kind: &'static str,
    to: (&'static str, String),
    events: Vec<String>,
    filter: Option<Vec<(Option<String>, Option<String>)>>,
}

/// `{"configurations": {id: {…}}}`, with what each goes to.
fn notifications(all: Vec<Notification>, event_bridge: bool) -> Value {
    let mut configurations = Map::new();
    for one in all {
        let (member, place) = one.to;
        // S3 gives an id to those that have none; another store may not.
        let id = one.id.filter(|id| !id.is_empty());
        let filter = one.filter.map(|rules| {
            let rules: Vec<Value> = rules
                .into_iter()
                .map(|(name, value)| json!({"name": name, "value": value}))
                .collect();
            json!({"s3KeyFilter": {"filterRules": rules}})
        });
        configurations.insert(
            id.unwrap_or_else(|| place.clone()),
            json!({
                "events": one.events,
                "filter": filter,
                "objectPrefixes": [],
                "type": one.kind,
                member: place,
            }),
        );
    }
    if event_bridge {
        configurations.insert("EventBridgeConfiguration".to_owned(), json!({}));
    }
    json!({"configurations": configurations})
}

/// `BucketNotificationConfiguration`.
pub(crate) fn notification(answer: &GetBucketNotificationConfigurationOutput) -> Value {
    let one = |id: &Option<String>,
               kind: &'static str,
               to: (&'static str, &String),
               events: &[s3::Event],
               filter: &Option<s3::NotificationConfigurationFilter>| Notification {
        id: id.clone(),
        kind,
        to: (to.0, to.1.clone()),
        events: events
            .iter()
            .map(|event| event.as_str().to_owned())
            .collect(),
        filter: filter
            .as_ref()
            .and_then(|filter| filter.key.as_ref())
            .map(|key| {
                let rules = key.filter_rules().iter();
                rules
                    .map(|rule| {
                        let name = rule.name.as_ref().map(|name| name.as_str().to_owned());
                        (name, rule.value.clone())
                    })
                    .collect()
            }),
    };
    let topics = answer.topic_configurations().iter().map(|to| {
        let place = ("topicARN", &to.topic_arn);
        one(&to.id, "TopicConfiguration", place, &to.events, &to.filter)
    });
    let queues = answer.queue_configurations().iter().map(|to| {
        let place = ("queueARN", &to.queue_arn);
        one(&to.id, "QueueConfiguration", place, &to.events, &to.filter)
    });
    let functions = answer.lambda_function_configurations().iter().map(|to| {
        let place = ("functionARN", &to.lambda_function_arn);
        one(&to.id, "LambdaConfiguration", place, &to.events, &to.filter)
    });
    notifications(
        topics.chain(queues).chain(functions).collect(),
        answer.event_bridge_configuration.is_some(),
    )
}

/// The same of the document itself.
pub(crate) fn notification_document(document: &Element) -> Value {
    const KINDS: [(&str, &str, &str, &str); 3] = [
        (
            "TopicConfiguration",
            "Topic",
            "TopicConfiguration",
            "topicARN",
        ),
        (
            "QueueConfiguration",
            "Queue",
            "QueueConfiguration",
            "queueARN",
        ),
        (
            "CloudFunctionConfiguration",
            "CloudFunction",
            "LambdaConfiguration",
            "functionARN",
        ),
    ];
    let mut all = Vec::new();
    for (element, place, kind, member) in KINDS {
        for one in document.list(&[], element) {
            let text = |name: &str| one.text_at(&[name]).map(str::to_owned);
            let rules = one.list(&["Filter", "S3Key"], "FilterRule").map(|rule| {
                let text = |name: &str| rule.text_at(&[name]).map(str::to_owned);
                (text("Name"), text("Value"))
            });
            all.push(Notification {
                id: text("Id"),
                kind,
                to: (member, text(place).unwrap_or_default()),
                events: one
                    .list(&[], "Event")
                    .map(|event| event.text.clone())
                    .collect(),
                filter: one
                    .at(&["Filter", "S3Key"])
                    .is_some()
                    .then(|| rules.collect()),
            });
        }
    }
    notifications(all, document.child("EventBridgeConfiguration").is_some())
}

/// `BucketLifecycleConfiguration`.
pub(crate) fn lifecycle(rules: &[s3::LifecycleRule]) -> Value {
    json!({"rules": rules.iter().map(lifecycle_rule).collect::<Vec<_>>()})
}

fn lifecycle_rule(rule: &s3::LifecycleRule) -> Value {
    let expiration = rule.expiration.as_ref();
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    #[expect(
        deprecated,
        reason = "rules written before 2016 have their prefix there"
    )]
    let prefix = &rule.prefix;
    let transitions = rule.transitions.as_ref().map(|transitions| {
        let shaped = transitions.iter().map(|to| {
            json!({
                "date": date(to.date.as_ref()),
                "days": to.days,
                "storageClass": to.storage_class.as_ref().map(|class| class.as_str()),
            })
        });
        shaped.collect::<Vec<_>>()
    });
    let older = rule
        .noncurrent_version_transitions
        .as_ref()
        .map(|transitions| {
            let shaped = transitions.iter().map(|to| {
                json!({
                    "days": to.noncurrent_days,
                    "newerNoncurrentVersions": to.newer_noncurrent_versions,
                    "storageClass": to.storage_class.as_ref().map(|class| class.as_str()),
                })
            });
            shaped.collect::<Vec<_>>()
        });
    json!({
        "id": rule.id,
        "prefix": prefix,
        "status": rule.status.as_str(),
        "filter": rule.filter.as_ref().map(lifecycle_filter),
        "expirationInDays": expiration.and_then(|e| e.days).unwrap_or(-1),
        "expirationDate": date(expiration.and_then(|e| e.date.as_ref())),
        "expiredObjectDeleteMarker": expiration
            .and_then(|e| e.expired_object_delete_marker)
            .unwrap_or(false),
        "noncurrentVersionExpirationInDays": noncurrent
            .and_then(|e| e.noncurrent_days)
            .unwrap_or(-1),
        "newerNoncurrentVersions": noncurrent.and_then(|e| e.newer_noncurrent_versions),
        "transitions": transitions,
        "noncurrentVersionTransitions": older,
        "abortIncompleteMultipartUpload": rule
            .abort_incomplete_multipart_upload
            .as_ref()
            .map(|abort| json!({"daysAfterInitiation": abort.days_after_initiation})),
    })
}

/// The predicates of a filter; several stand under an operator.
fn lifecycle_filter(filter: &s3::LifecycleRuleFilter) -> Value {
    let predicates = |prefix: Option<&String>,
                      tags: &[s3::Tag],
                      above: Option<i64>,
                      below: Option<i64>| {
        let mut all = Vec::new();
        if let Some(prefix) = prefix {
            all.push(json!({"type": "LifecyclePrefixPredicate", "prefix": prefix}));
        }
        all.extend(tags.iter().map(|tag| {
            json!({"type": "LifecycleTagPredicate", "tag": {"key": tag.key, "value": tag.value}})
        }));
        if let Some(size) = above {
            all.push(json!({"type": "LifecycleObjectSizeGreaterThanPredicate", "objectSizeGreaterThan": size}));
        }
        if let Some(size) = below {
            all.push(
                json!({"type": "LifecycleObjectSizeLessThanPredicate", "objectSizeLessThan": size}),
            );
        }
        all
    };
    let predicate = match &filter.and {
        Some(and) => {
            let operands = predicates(
                and.prefix.as_ref(),
                and.tags(),
                and.object_size_greater_than,
                and.object_size_less_than,
            );
            json!({"type": "LifecycleAndOperator", "operands": operands})
        }
        None => predicates(
            filter.prefix.as_ref(),
            filter.tag.as_slice(),
            filter.object_size_greater_than,
            filter.object_size_less_than,
        )
        .into_iter()
        .next()
        .unwrap_or(Value::Null),
    };
    json!({"predicate": predicate})
}

/// `BucketReplicationConfiguration`: rules by their ids.
pub(crate) fn replication(configuration: &s3::ReplicationConfiguration) -> Value {
    let rules: Map<String, Value> = configuration
        .rules
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            let id = rule.id.clone().unwrap_or_else(|| number.to_string());
            (id, replication_rule(rule))
        })
        .collect();
    json!({"roleARN": configuration.role, "rules": rules})
}

fn replication_rule(rule: &s3::ReplicationRule) -> Value {
    #[expect(deprecated, reason = "rules of the first version have it there")]
    let prefix = &rule.prefix;
    let selection = rule.source_selection_criteria.as_ref();
    json!({
        "prefix": prefix,
        "status": rule.status.as_str(),
        "priority": rule.priority,
        "filter": rule.filter.as_ref().map(replication_filter),
        "destinationConfig": rule.destination.as_ref().map(destination),
        "sourceSelectionCriteria": selection.map(|selection| json!({
            "sseKmsEncryptedObjects": selection
                .sse_kms_encrypted_objects
                .as_ref()
                .map(|objects| json!({"status": objects.status.as_str()})),
            "replicaModifications": selection
                .replica_modifications
                .as_ref()
                .map(|modifications| json!({"status": modifications.status.as_str()})),
        })),
        "existingObjectReplication": rule
            .existing_object_replication
            .as_ref()
            .map(|existing| json!({"status": existing.status.as_str()})),
        "deleteMarkerReplication": rule
            .delete_marker_replication
            .as_ref()
            .map(|markers| json!({"status": markers.status.as_ref().map(|status| status.as_str())})),
    })
}

fn replication_filter(filter: &s3::ReplicationRuleFilter) -> Value {
    let predicates = |prefix: Option<&String>, tags: &[s3::Tag]| {
        let prefix =
            prefix.map(|prefix| json!({"type": "ReplicationPrefixPredicate", "prefix": prefix}));
        let tags = tags.iter().map(|tag| {
            json!({"type": "ReplicationTagPredicate", "tag": {"key": tag.key, "value": tag.value}})
        });
        prefix.into_iter().chain(tags).collect::<Vec<_>>()
    };
    let predicate = match &filter.and {
        Some(and) => json!({
            "type": "ReplicationAndOperator",
            "operands": predicates(and.prefix.as_ref(), and.tags()),
        }),
        None => predicates(filter.prefix.as_ref(), filter.tag.as_slice())
            .into_iter()
            .next()
            .unwrap_or(Value::Null),
    };
    json!({"predicate": predicate})
}

fn destination(to: &s3::Destination) -> Value {
    json!({
        "bucketARN": to.bucket,
        "account": to.account,
        "storageClass": to.storage_class.as_ref().map(|class| class.as_str()),
        "accessControlTranslation": to
            .access_control_translation
            .as_ref()
            .map(|translation| json!({"owner": translation.owner.as_str()})),
        "encryptionConfiguration": to
            .encryption_configuration
            .as_ref()
            .map(|encryption| json!({"replicaKmsKeyID": encryption.replica_kms_key_id})),
        "replicationTime": to.replication_time.as_ref().map(|time| json!({
            "status": time.status.as_str(),
            "time": {"minutes": time.time.as_ref().and_then(|time| time.minutes)},
        })),
        "metrics": to.metrics.as_ref().map(|metrics| json!({
            "status": metrics.status.as_str(),
            "eventThreshold": {"minutes": metrics.event_threshold.as_ref().and_then(|time| time.minutes)},
        })),
    })
}

/// `BucketCrossOriginConfiguration`.
pub(crate) fn cors(rules: &[s3::CorsRule]) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "allowedMethods": rule.allowed_methods,
                "allowedOrigins": rule.allowed_origins,
                "allowedHeaders": rule.allowed_headers,
                "exposedHeaders": rule.expose_headers,
                "maxAgeSeconds": rule.max_age_seconds.unwrap_or(0),
            })
        })
        .collect();
    json!({"rules": rules})
}

/// `{"status": null}` until somebody set it.
pub(crate) fn acceleration(status: Option<&s3::BucketAccelerateStatus>) -> Value {
    json!({"status": status.map(|status| status.as_str())})
}

/// The same of the document itself.
pub(crate) fn acceleration_document(document: &Element) -> Value {
    json!({"status": document.text_at(&["Status"])})
}

/// Object Lock, and for how long new objects are kept.
pub(crate) fn object_lock(configuration: &s3::ObjectLockConfiguration) -> Value {
    let retention = configuration
        .rule
        .as_ref()
        .and_then(|rule| rule.default_retention.as_ref());
    json!({
        "objectLockEnabled": configuration
            .object_lock_enabled
            .as_ref()
            .map(|enabled| enabled.as_str()),
        "rule": retention.map(|retention| json!({"defaultRetention": {
            "mode": retention.mode.as_ref().map(|mode| mode.as_str()),
            "days": retention.days,
            "years": retention.years,
        }})),
    })
}

fn date(at: Option<&aws_smithy_types::DateTime>) -> Option<String> {
    Some(timestamp(at?)?.to_string())
}
