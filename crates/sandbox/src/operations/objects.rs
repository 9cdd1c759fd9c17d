//! Objects: stored, read, removed, listed.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use md5::{Digest, Md5};
use policy::bucket::{ObjectOwnership, Permission};
use s3s::dto::*;
use s3s::{Body, S3Error, S3Request, S3Result, s3_error};

use super::listing::{Page, Query, name_in_token, page, token_for};
use super::timestamp;
use crate::access::{access_denied, no_such_bucket};
use crate::acl::{self, Given, Of};
use crate::authorize::canonical_id;
use crate::endpoint::Endpoint;
use crate::state::{ObjectState, private_acl};

/// The most keys that one answer lists.
const MOST_KEYS: usize = 1000;

pub(crate) async fn put_object(
    endpoint: &Endpoint,
    mut request: S3Request<PutObjectInput>,
) -> S3Result<PutObjectOutput> {
    let body = whole_body(
        request.input.body.take(),
        endpoint.settings.max_object_bytes,
    )
    .await?;
    let digest: [u8; 16] = Md5::digest(&body).into();
    let input = &request.input;
    if let Some(expected) = &input.content_md5
        && *expected != base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest)
    {
        return Err(s3_error!(
            BadDigest,
            "The Content-MD5 you specified did not match what we received."
        ));
    }
    let e_tag: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let given = Given {
        canned: input.acl.as_ref().map(ObjectCannedACL::as_str),
        headers: super::acls::present([
            (Permission::FullControl, &input.grant_full_control),
            (Permission::Read, &input.grant_read),
            (Permission::ReadAcp, &input.grant_read_acp),
            (Permission::WriteAcp, &input.grant_write_acp),
        ]),
        document: None,
    };
    let uploader = canonical_id(endpoint.caller(request.credentials.as_ref()));

    let mut state = endpoint.state();
    let name = &input.bucket;
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    let bucket_owner = bucket.canonical_id.as_str();
    let owner = match bucket.ownership {
        Some(ObjectOwnership::BucketOwnerEnforced) => bucket_owner,
        Some(ObjectOwnership::BucketOwnerPreferred)
            if given.canned == Some("bucket-owner-full-control") =>
        {
            bucket_owner
        }
        _ => uploader,
    };
    let of = Of::Object {
        owner,
        bucket_owner,
    };
    let acl = match given.acl(of)? {
        None => private_acl(owner),
        Some(_) if bucket.acls_are_off() && given.canned != Some("bucket-owner-full-control") => {
            return Err(super::acls::acls_not_supported());
        }
        Some(acl) if state.effective_block(bucket).block_public_acls && acl::is_public(&acl) => {
            return Err(access_denied());
        }
        Some(acl) => acl,
    };
    let object = ObjectState {
        body,
        content_type: input.content_type.clone().map(|t| t.to_string()),
        metadata: input.metadata.clone().unwrap_or_default(),
        e_tag: e_tag.clone(),
        modified: endpoint.now(),
        owner: owner.to_owned(),
        acl,
    };
    if let Some(bucket) = state.buckets.get_mut(name) {
        bucket.objects.insert(input.key.clone(), object);
    }
    Ok(PutObjectOutput {
        e_tag: Some(ETag::Strong(e_tag)),
        ..PutObjectOutput::default()
    })
}

async fn whole_body(body: Option<StreamingBlob>, most: usize) -> S3Result<Bytes> {
    let mut whole = BytesMut::new();
    let Some(mut body) = body else {
        return Ok(Bytes::new());
    };
    let failed = |error| {
        let mut failure = s3_error!(IncompleteBody, "The request body could not be read");
        failure.set_source(error);
        failure
    };
    while let Some(part) = body.try_next().await.map_err(failed)? {
        if whole.len() + part.len() > most {
            return Err(s3_error!(
                EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size of {} bytes",
                most
            ));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

fn object(endpoint: &Endpoint, bucket: &str, key: &str) -> S3Result<ObjectState> {
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(bucket)
        .ok_or_else(|| no_such_bucket(bucket))?;
    bucket.objects.get(key).cloned().ok_or_else(no_such_key)
}

pub(crate) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn content_type(object: &ObjectState) -> Option<ContentType> {
    object
        .content_type
        .as_deref()
        .unwrap_or("binary/octet-stream")
        .parse()
        .ok()
}

pub(crate) fn get_object(
    endpoint: &Endpoint,
    request: S3Request<GetObjectInput>,
) -> S3Result<GetObjectOutput> {
    let input = &request.input;
    let object = object(endpoint, &input.bucket, &input.key)?;
    let whole = object.body.len();
    let (body, content_range) = match &input.range {
        None => (object.body.clone(), None),
        Some(range) => {
            let range = range
                .check(whole as u64)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
            // The range was just checked against the body, whose length is a usize.
            let (start, end) = (range.start as usize, range.end as usize);
            let header = format!("bytes {start}-{}/{whole}", end - 1);
            (object.body.slice(start..end), Some(header))
        }
    };
    Ok(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(body.len()).ok(),
        content_range,
        content_type: content_type(&object),
        e_tag: Some(ETag::Strong(object.e_tag.clone())),
        last_modified: timestamp(object.modified),
        metadata: Some(object.metadata),
        body: Some(StreamingBlob::from(Body::from(body))),
        ..GetObjectOutput::default()
    })
}

pub(crate) fn head_object(
    endpoint: &Endpoint,
    request: S3Request<HeadObjectInput>,
) -> S3Result<HeadObjectOutput> {
    let object = object(endpoint, &request.input.bucket, &request.input.key)?;
    Ok(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(object.body.len()).ok(),
        content_type: content_type(&object),
        e_tag: Some(ETag::Strong(object.e_tag.clone())),
        last_modified: timestamp(object.modified),
        metadata: Some(object.metadata),
        ..HeadObjectOutput::default()
    })
}

pub(crate) fn delete_object(
    endpoint: &Endpoint,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<DeleteObjectOutput> {
    let name = &request.input.bucket;
    let mut state = endpoint.state();
    let bucket = state
        .buckets
        .get_mut(name)
        .ok_or_else(|| no_such_bucket(name))?;
    // Deleting what is not there succeeds.
    bucket.objects.remove(&request.input.key);
    Ok(DeleteObjectOutput::default())
}

/// How names are written in a listing.
fn written(name: &str, encoding: Option<&EncodingType>) -> String {
    match encoding {
        None => name.to_owned(),
        // As S3 does: every special character but the slash.
        Some(_) => form_urlencoded::byte_serialize(name.as_bytes())
            .collect::<String>()
            .replace("%2F", "/"),
    }
}

fn most_keys(asked: Option<i32>) -> S3Result<usize> {
    match asked {
        None => Ok(MOST_KEYS),
        Some(asked) => usize::try_from(asked)
            .map(|asked| asked.min(MOST_KEYS))
            .map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative")),
    }
}

fn contents(
    page: &Page<'_, ObjectState>,
    encoding: Option<&EncodingType>,
    with_owner: bool,
) -> Vec<Object> {
    page.entries
        .iter()
        .map(|(key, object)| Object {
            e_tag: Some(ETag::Strong(object.e_tag.clone())),
            key: Some(written(key, encoding)),
            last_modified: timestamp(object.modified),
            owner: with_owner.then(|| acl::owner_element(&object.owner)),
            size: i64::try_from(object.body.len()).ok(),
            storage_class: Some(ObjectStorageClass::from_static(
                ObjectStorageClass::STANDARD,
            )),
            ..Object::default()
        })
        .collect()
}

fn common_prefixes(
    page: &Page<'_, ObjectState>,
    encoding: Option<&EncodingType>,
) -> Vec<CommonPrefix> {
    page.common_prefixes
        .iter()
        .map(|prefix| CommonPrefix {
            prefix: Some(written(prefix, encoding)),
        })
        .collect()
}

pub(crate) fn list_objects_v2(
    endpoint: &Endpoint,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let encoding = input.encoding_type.as_ref();
    let most = most_keys(input.max_keys)?;
    let after = match &input.continuation_token {
        None => input.start_after.clone().unwrap_or_default(),
        Some(token) => name_in_token(token).ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            )
        })?,
    };
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(&input.bucket)
        .ok_or_else(|| no_such_bucket(&input.bucket))?;
    let page = page(
        &bucket.objects,
        Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: &after,
            most,
        },
    );
    let count = page.entries.len() + page.common_prefixes.len();
    Ok(ListObjectsV2Output {
        contents: Some(contents(
            &page,
            encoding,
            input.fetch_owner.unwrap_or(false),
        )),
        common_prefixes: Some(common_prefixes(&page, encoding)),
        is_truncated: Some(page.next.is_some()),
        key_count: i32::try_from(count).ok(),
        max_keys: i32::try_from(most).ok(),
        next_continuation_token: page.next.as_deref().map(token_for),
        continuation_token: input.continuation_token,
        delimiter: input.delimiter.as_ref().map(|d| written(d, encoding)),
        prefix: Some(written(
            input.prefix.as_deref().unwrap_or_default(),
            encoding,
        )),
        start_after: input.start_after.as_ref().map(|s| written(s, encoding)),
        encoding_type: input.encoding_type.clone(),
        name: Some(input.bucket),
        request_charged: None,
    })
}

pub(crate) fn list_objects(
    endpoint: &Endpoint,
    request: S3Request<ListObjectsInput>,
) -> S3Result<ListObjectsOutput> {
    let input = request.input;
    let encoding = input.encoding_type.as_ref();
    let most = most_keys(input.max_keys)?;
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(&input.bucket)
        .ok_or_else(|| no_such_bucket(&input.bucket))?;
    let page = page(
        &bucket.objects,
        Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: input.marker.as_deref().unwrap_or_default(),
            most,
        },
    );
    Ok(ListObjectsOutput {
        contents: Some(contents(&page, encoding, true)),
        common_prefixes: Some(common_prefixes(&page, encoding)),
        is_truncated: Some(page.next.is_some()),
        max_keys: i32::try_from(most).ok(),
        // S3 tells the next marker only where a delimiter makes it differ from the last key.
        next_marker: page
            .next
            .as_deref()
            .filter(|_| input.delimiter.is_some())
            .map(|next| written(next, encoding)),
        delimiter: input.delimiter.as_ref().map(|d| written(d, encoding)),
        prefix: Some(written(
            input.prefix.as_deref().unwrap_or_default(),
            encoding,
        )),
        marker: Some(written(
            input.marker.as_deref().unwrap_or_default(),
            encoding,
        )),
        encoding_type: input.encoding_type.clone(),
        name: Some(input.bucket),
        request_charged: None,
    })
}
