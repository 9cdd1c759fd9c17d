//! The actions of Amazon S3 on buckets and objects: access level, resource type, condition keys.
//!
//! The table is data (`data/s3-actions.json`), with its source in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::bucket::Permission;
use crate::pattern::Pattern;

/// The access level of an action (service authorization reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AccessLevel {
    /// Reads content or metadata.
    Read,
    /// Lists.
    List,
    /// Writes content or metadata.
    Write,
    /// Changes who may do what.
    #[serde(rename = "Permissions management")]
    PermissionsManagement,
    /// Changes tags.
    Tagging,
}

/// The two classes of access that verdicts are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessClass {
    /// Access levels Read and List.
    Read,
    /// Access levels Write, Permissions management and Tagging.
    Write,
}

impl AccessClass {
    /// `read` or `write`.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessClass::Read => "read",
            AccessClass::Write => "write",
        }
    }
}

/// What an action acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceType {
    /// The bucket's own ARN.
    Bucket,
    /// An object's ARN.
    Object,
}

/// One action of Amazon S3.
#[derive(Clone, Debug)]
pub struct Action {
    /// With its prefix, such as `s3:GetObject`.
    pub name: String,
    /// The same in lower case, for matching.
    pub(crate) lower: String,
    /// Its access level.
    pub level: AccessLevel,
    /// What it acts on.
    pub resource: ResourceType,
    /// The condition keys that accompany it, in lower case; a tag key ends in `/`.
    pub keys: Vec<String>,
    /// Whether callers outside the owner's account are always refused.
    pub owner_only: bool,
}

impl Action {
    /// Read or write.
    pub fn class(&self) -> AccessClass {
        match self.level {
            AccessLevel::Read | AccessLevel::List => AccessClass::Read,
            AccessLevel::Write | AccessLevel::PermissionsManagement | AccessLevel::Tagging => {
                AccessClass::Write
            }
        }
    }

    /// Whether the action reaches the data itself (object content, listings), not only metadata.
    pub fn reaches_data(&self) -> bool {
        (self.lower.starts_with("s3:get") && self.lower.contains("object"))
            || self.lower.starts_with("s3:listbucket")
    }
}

/// A set of [`Action`]s by their index in the [`ActionTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ActionSet(u128);

impl ActionSet {
    /// No action.
    pub const EMPTY: ActionSet = ActionSet(0);

    /// The set with one more action.
    #[must_use]
    pub fn with(self, index: usize) -> ActionSet {
        ActionSet(self.0 | 1 << index)
    }
    /// Whether the action is in the set.
    pub fn contains(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
    /// What is in both.
    #[must_use]
    pub fn and(self, other: ActionSet) -> ActionSet {
        ActionSet(self.0 & other.0)
    }
    /// What is in either.
    #[must_use]
    pub fn or(self, other: ActionSet) -> ActionSet {
        ActionSet(self.0 | other.0)
    }
    /// What is in this one and not in the other.
    #[must_use]
    pub fn without(self, other: ActionSet) -> ActionSet {
        ActionSet(self.0 & !other.0)
    }
    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// How many actions are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }
    /// The indexes of its actions, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            if bits == 0 {
                return None;
            }
            let index = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            Some(index)
        })
    }
}

/// Every known action on buckets and objects.
#[derive(Debug)]
pub struct ActionTable {
    actions: Vec<Action>,
    by_lower_name: HashMap<String, usize>,
    other: HashMap<String, String>,
    acl_bucket: AclTable,
    acl_object: AclTable,
    all: ActionSet,
    read: ActionSet,
    objects: ActionSet,
    owner_only: ActionSet,
    by_interest: Vec<usize>,
    version: String,
}

/// What each permission of an ACL lets its grantee do.
type AclTable = BTreeMap<String, ActionSet>;

/// The actions that say most about what is open, first.
const MOST_TELLING: &[&str] = &[
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:PutBucketAcl",
    "s3:PutObjectAcl",
    "s3:GetBucketAcl",
];

#[derive(Deserialize)]
struct TableFile {
    version: String,
    owner_only: Listed,
    acl_permissions: AclPermissions,
    actions: Vec<ActionEntry>,
    other_actions: Vec<String>,
}

#[derive(Deserialize)]
struct Listed {
    actions: Vec<String>,
}

#[derive(Deserialize)]
struct AclPermissions {
    bucket: BTreeMap<String, Vec<String>>,
    object: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct ActionEntry {
    name: String,
    level: AccessLevel,
    resource: ResourceType,
    keys: Vec<String>,
}

static TABLE: LazyLock<ActionTable> = LazyLock::new(|| {
    let file: TableFile = serde_json::from_str(include_str!("../data/s3-actions.json"))
        .unwrap_or_else(|error| unreachable!("data/s3-actions.json is compiled in: {error}"));
    ActionTable::new(file)
});

impl ActionTable {
    /// The table that is compiled in.
    pub fn get() -> &'static ActionTable {
        &TABLE
    }

    fn new(file: TableFile) -> ActionTable {
        let actions: Vec<Action> = file
            .actions
            .into_iter()
            .map(|entry| Action {
                owner_only: file.owner_only.actions.contains(&entry.name),
                lower: format!("s3:{}", entry.name.to_ascii_lowercase()),
                name: format!("s3:{}", entry.name),
                level: entry.level,
                resource: entry.resource,
                keys: entry.keys,
            })
            .collect();
        assert!(actions.len() <= 128, "ActionSet has 128 bits");
        let set = |wanted: &dyn Fn(&Action) -> bool| {
            actions
                .iter()
                .enumerate()
                .filter(|(_, a)| wanted(a))
                .fold(ActionSet::EMPTY, |set, (index, _)| set.with(index))
        };
        let acl = |permissions: &BTreeMap<String, Vec<String>>| -> AclTable {
            permissions
                .iter()
                .map(|(permission, names)| {
                    (
                        permission.clone(),
                        set(&|a| names.iter().any(|n| a.name[3..] == *n)),
                    )
                })
                .collect()
        };
        ActionTable {
            by_lower_name: actions
                .iter()
                .enumerate()
                .map(|(i, a)| (a.lower.clone(), i))
                .collect(),
            other: file
                .other_actions
                .into_iter()
                .map(|name| {
                    (
                        format!("s3:{}", name.to_ascii_lowercase()),
                        format!("s3:{name}"),
                    )
                })
                .collect(),
            acl_bucket: acl(&file.acl_permissions.bucket),
            acl_object: acl(&file.acl_permissions.object),
            all: set(&|_| true),
            read: set(&|a| a.class() == AccessClass::Read),
            objects: set(&|a| a.resource == ResourceType::Object),
            owner_only: set(&|a| a.owner_only),
            version: file.version,
            by_interest: {
                let mut order: Vec<usize> = (0..actions.len()).collect();
                order.sort_by_key(|i| {
                    let name = &actions[*i].name;
                    MOST_TELLING
                        .iter()
                        .position(|n| n == name)
                        .unwrap_or(MOST_TELLING.len())
                });
                order
            },
            actions,
        }
    }

    /// The action with this index.
    pub fn action(&self, index: usize) -> &Action {
        &self.actions[index]
    }
    /// The index of an action by its name with prefix, ignoring case.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.by_lower_name.get(&name.to_ascii_lowercase()).copied()
    }
    /// The documented spelling of an S3 action that is neither a bucket's nor an object's.
    pub fn other_action(&self, name: &str) -> Option<&str> {
        self.other
            .get(&name.to_ascii_lowercase())
            .map(String::as_str)
    }
    /// All actions with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Action)> {
        self.actions.iter().enumerate()
    }
    /// Every action.
    pub fn all(&self) -> ActionSet {
        self.all
    }
    /// The actions of one class.
    pub fn class(&self, class: AccessClass) -> ActionSet {
        match class {
            AccessClass::Read => self.read,
            AccessClass::Write => self.all.without(self.read),
        }
    }
    /// The actions on objects; all others act on buckets.
    pub fn on_objects(&self) -> ActionSet {
        self.objects
    }
    /// The actions that are always refused to callers outside the owner's account.
    pub fn owner_only(&self) -> ActionSet {
        self.owner_only
    }
    /// What a permission on the bucket's ACL lets its grantee do.
    pub fn granted_by_bucket_acl(&self, permission: Permission) -> ActionSet {
        granted(&self.acl_bucket, permission)
    }
    /// What a permission on an object's own ACL lets its grantee do with that object.
    pub fn granted_by_object_acl(&self, permission: Permission) -> ActionSet {
        granted(&self.acl_object, permission)
    }
    /// The indexes of all actions, those that say most about what is open first.
    pub(crate) fn by_interest(&self) -> &[usize] {
        &self.by_interest
    }
    /// The version of the table, for reports.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The actions that a pattern in lower case matches.
    pub fn matching(&self, pattern: &Pattern) -> ActionSet {
        if let Some(name) = pattern.exact() {
            return self
                .by_lower_name
                .get(&name)
                .map_or(ActionSet::EMPTY, |index| ActionSet::EMPTY.with(*index));
        }
        self.actions
            .iter()
            .enumerate()
            .filter(|(_, a)| pattern.matches(&a.lower))
            .fold(ActionSet::EMPTY, |set, (index, _)| set.with(index))
    }
}

fn granted(table: &AclTable, permission: Permission) -> ActionSet {
    if permission == Permission::FullControl {
        return table
            .values()
            .fold(ActionSet::EMPTY, |all, set| all.or(*set));
    }
    table.get(permission.as_str()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_documented_numbers() {
        let table = ActionTable::get();
        let count = |class, on_objects: bool| {
            let set = table.class(class);
            let set = if on_objects {
                set.and(table.on_objects())
            } else {
                set.without(table.on_objects())
            };
            set.len()
        };
        assert_eq!(count(AccessClass::Read, false), 28);
        assert_eq!(count(AccessClass::Write, false), 31);
        assert_eq!(count(AccessClass::Read, true), 14);
        assert_eq!(count(AccessClass::Write, true), 20);
        assert_eq!(table.owner_only().len(), 3);
        assert_eq!(
            table.granted_by_bucket_acl(Permission::FullControl).len(),
            6
        );
        let by_object = table.granted_by_object_acl(Permission::FullControl);
        assert_eq!(by_object.len(), 6);
        assert_eq!(by_object.without(table.on_objects()).len(), 0);
        assert_eq!(table.granted_by_object_acl(Permission::Write).len(), 0);
    }
}
