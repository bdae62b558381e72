//! The store in tables, for SQLite and PostgreSQL alike.

use dragoman_policy::{KeyHash, UnixMillis};
use tonic::async_trait;

use super::row::{self, Entity};
use super::{
    BudgetTemplate, Database, Grant, KeyFilter, KeyStore, Listed, Membership, MembershipsOf, Slice,
    StoreError, Team, User, UserFilter, VirtualKey,
};
use crate::database::{Row, Session, Sql, Value};

/// Keys, teams, users and templates in a database.
#[derive(Debug, Clone)]
pub struct SqlKeyStore {
    database: Database,
}

impl SqlKeyStore {
    /// The store in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    async fn one<E: Entity>(&self, id: &str) -> Result<Option<E>, StoreError> {
        let sql = Sql::new("SELECT * FROM ").push(E::TABLE).push(" WHERE ");
        let sql = sql.push(E::ID).push(" = ").bind(id);
        first(&self.database.fetch(sql).await?, E::read)
    }

    async fn add<E: Entity>(&self, entity: &E) -> Result<(), StoreError> {
        let sql = Sql::insert(E::TABLE, entity.columns());
        self.database.execute(sql).await?;
        Ok(())
    }

    async fn replace<E: Entity>(&self, entity: &E) -> Result<(), StoreError> {
        fresh(self.database.execute(replacing(entity)).await?)
    }

    async fn list<E: Entity>(
        &self,
        filter: &[(&'static str, Option<Value>)],
        slice: Slice,
    ) -> Result<Listed<E>, StoreError> {
        let count = Sql::new("SELECT COUNT(*) AS total FROM ").push(E::TABLE);
        let counted = self.database.fetch(narrowed(count, filter)).await?;
        let total = first(&counted, |row| Ok(row.int("total")?))?.unwrap_or(0);
        let sql = narrowed(Sql::new("SELECT * FROM ").push(E::TABLE), filter);
        let sql = sql
            .push(" ORDER BY created_at DESC, ")
            .push(E::ID)
            .push(" LIMIT ")
            .bind(u64::from(slice.size))
            .push(" OFFSET ")
            .bind(slice.offset);
        let rows = self.database.fetch(sql).await?;
        let items = rows.iter().map(E::read).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }

    async fn all<E: Entity>(&self, order: &'static str) -> Result<Vec<E>, StoreError> {
        let sql = Sql::new("SELECT * FROM ").push(E::TABLE).push(order);
        self.database
            .fetch(sql)
            .await?
            .iter()
            .map(E::read)
            .collect()
    }

    async fn membership(
        &self,
        team_id: &str,
        user_id: &str,
    ) -> Result<Option<Membership>, StoreError> {
        let sql = Sql::new("SELECT * FROM memberships WHERE team_id = ")
            .bind(team_id)
            .push(" AND user_id = ")
            .bind(user_id);
        first(&self.database.fetch(sql).await?, row::membership)
    }

    async fn templates_of(&self, ids: Vec<&str>) -> Result<Vec<BudgetTemplate>, StoreError> {
        let mut templates = Vec::new();
        for id in ids {
            templates.extend(self.one(id).await?);
        }
        Ok(templates)
    }
}

#[async_trait]
impl KeyStore for SqlKeyStore {
    async fn grant(&self, hash: KeyHash) -> Result<Option<Grant>, StoreError> {
        let Some((key, valid_until)) = self.key_of(hash).await? else {
            return Ok(None);
        };
        let team = match &key.team_id {
            Some(id) => self.one::<Team>(id).await?,
            None => None,
        };
        let user = match &key.user_id {
            Some(id) => self.one::<User>(id).await?,
            None => None,
        };
        let membership = match (&team, &key.user_id) {
            (Some(team), Some(user_id)) => self.membership(&team.id, user_id).await?,
            _ => None,
        };
        let mut ids: Vec<&str> = [
            key.profile.budget_id.as_deref(),
            team.as_ref().and_then(|t| t.profile.budget_id.as_deref()),
            user.as_ref().and_then(|u| u.profile.budget_id.as_deref()),
            membership.as_ref().and_then(|m| m.budget_id.as_deref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        ids.sort_unstable();
        ids.dedup();
        let templates = self.templates_of(ids).await?;
        Ok(Some(Grant {
            key,
            valid_until,
            team,
            user,
            membership,
            templates,
        }))
    }

    async fn key(&self, hash: KeyHash) -> Result<Option<VirtualKey>, StoreError> {
        Ok(self.key_of(hash).await?.map(|(key, _)| key))
    }

    async fn keys(
        &self,
        filter: &KeyFilter,
        slice: Slice,
    ) -> Result<Listed<VirtualKey>, StoreError> {
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let filter = [
            ("key_alias", text(&filter.alias)),
            ("user_id", text(&filter.user_id)),
            ("team_id", text(&filter.team_id)),
            ("token", filter.token.map(|token| token.to_hex().into())),
        ];
        self.list(&filter, slice).await
    }

    async fn add_key(&self, key: &VirtualKey) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session
            .execute(Sql::insert(VirtualKey::TABLE, key.columns()))
            .await?;
        session.execute(hash_of(key)).await?;
        Ok(session.commit().await?)
    }

    async fn replace_key(&self, key: &VirtualKey) -> Result<(), StoreError> {
        self.replace(key).await
    }

    async fn rotate_key(&self, key: &VirtualKey, old_until: UnixMillis) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        fresh(session.execute(replacing(key)).await?)?;
        let ending = Sql::update("key_hashes", vec![("valid_until", old_until.into())])
            .push(" WHERE key_id = ")
            .bind(key.id.as_str())
            .push(" AND (valid_until IS NULL OR valid_until > ")
            .bind(old_until)
            .push(")");
        session.execute(ending).await?;
        session.execute(hash_of(key)).await?;
        Ok(session.commit().await?)
    }

    async fn delete_key(&self, id: &str) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        for table in ["key_hashes", VirtualKey::TABLE] {
            session.execute(deleting(table, "key_id", id)).await?;
        }
        Ok(session.commit().await?)
    }

    async fn team(&self, id: &str) -> Result<Option<Team>, StoreError> {
        self.one(id).await
    }

    async fn teams(&self) -> Result<Vec<Team>, StoreError> {
        self.all(" ORDER BY team_id").await
    }

    async fn add_team(&self, team: &Team) -> Result<(), StoreError> {
        self.add(team).await
    }

    async fn replace_team(&self, team: &Team) -> Result<(), StoreError> {
        self.replace(team).await
    }

    async fn delete_team(&self, id: &str) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        delete_owner(&mut session, "team_id", id).await?;
        session
            .execute(deleting(Team::TABLE, "team_id", id))
            .await?;
        Ok(session.commit().await?)
    }

    async fn users(&self, filter: &UserFilter, slice: Slice) -> Result<Listed<User>, StoreError> {
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let filter = [
            ("user_id", text(&filter.id)),
            ("user_email", text(&filter.email)),
            ("user_role", text(&filter.role)),
        ];
        self.list(&filter, slice).await
    }

    async fn user(&self, id: &str) -> Result<Option<User>, StoreError> {
        self.one(id).await
    }

    async fn add_user(&self, user: &User) -> Result<(), StoreError> {
        self.add(user).await
    }

    async fn replace_user(&self, user: &User) -> Result<(), StoreError> {
        self.replace(user).await
    }

    async fn delete_user(&self, id: &str) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        delete_owner(&mut session, "user_id", id).await?;
        session
            .execute(deleting(User::TABLE, "user_id", id))
            .await?;
        Ok(session.commit().await?)
    }

    async fn memberships(&self, of: MembershipsOf<'_>) -> Result<Vec<Membership>, StoreError> {
        let sql = Sql::new("SELECT * FROM memberships");
        let sql = match of {
            MembershipsOf::Team(id) => sql.push(" WHERE team_id = ").bind(id),
            MembershipsOf::User(id) => sql.push(" WHERE user_id = ").bind(id),
            MembershipsOf::Everyone => sql,
        };
        let sql = sql.push(" ORDER BY created_at, team_id, user_id");
        let rows = self.database.fetch(sql).await?;
        rows.iter().map(row::membership).collect()
    }

    async fn put_membership(&self, membership: &Membership) -> Result<(), StoreError> {
        let sql = Sql::insert("memberships", row::membership_columns(membership)).push(
            " ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role, \
             budget_id = excluded.budget_id",
        );
        self.database.execute(sql).await?;
        Ok(())
    }

    async fn delete_membership(&self, team_id: &str, user_id: &str) -> Result<bool, StoreError> {
        let sql = deleting("memberships", "team_id", team_id)
            .push(" AND user_id = ")
            .bind(user_id);
        Ok(self.database.execute(sql).await? > 0)
    }

    async fn template(&self, id: &str) -> Result<Option<BudgetTemplate>, StoreError> {
        self.one(id).await
    }

    async fn templates(&self) -> Result<Vec<BudgetTemplate>, StoreError> {
        self.all(" ORDER BY created_at, budget_id").await
    }

    async fn add_template(&self, template: &BudgetTemplate) -> Result<(), StoreError> {
        self.add(template).await
    }

    async fn replace_template(&self, template: &BudgetTemplate) -> Result<(), StoreError> {
        self.replace(template).await
    }

    async fn delete_template(&self, id: &str) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        for table in [VirtualKey::TABLE, Team::TABLE, User::TABLE, "memberships"] {
            let nothing = vec![("budget_id", Value::Text(None))];
            let forget = Sql::update(table, nothing).push(" WHERE budget_id = ");
            session.execute(forget.bind(id)).await?;
        }
        let delete = deleting(BudgetTemplate::TABLE, "budget_id", id);
        session.execute(delete).await?;
        Ok(session.commit().await?)
    }

    async fn health(&self) -> Result<(), StoreError> {
        let sql = Sql::new("SELECT key_id FROM virtual_keys LIMIT 1");
        self.database.fetch(sql).await?;
        Ok(())
    }

    fn name(&self) -> &'static str {
        self.database.name()
    }
}

impl SqlKeyStore {
    /// The key that `hash` stands or stood for, and until when.
    async fn key_of(
        &self,
        hash: KeyHash,
    ) -> Result<Option<(VirtualKey, Option<UnixMillis>)>, StoreError> {
        let sql = Sql::new(
            "SELECT virtual_keys.*, key_hashes.valid_until FROM key_hashes \
             JOIN virtual_keys ON virtual_keys.key_id = key_hashes.key_id \
             WHERE key_hashes.hash = ",
        );
        let rows = self.database.fetch(sql.bind(hash.to_hex())).await?;
        first(&rows, |row| {
            let valid_until = row.optional_int("valid_until")?.map(UnixMillis);
            Ok((VirtualKey::read(row)?, valid_until))
        })
    }
}

/// Deletes the keys and memberships of a team or a user.
async fn delete_owner(
    session: &mut Session,
    column: &'static str,
    id: &str,
) -> Result<(), StoreError> {
    let hashes =
        Sql::new("DELETE FROM key_hashes WHERE key_id IN (SELECT key_id FROM virtual_keys WHERE ")
            .push(column)
            .push(" = ")
            .bind(id)
            .push(")");
    session.execute(hashes).await?;
    for table in [VirtualKey::TABLE, "memberships"] {
        session.execute(deleting(table, column, id)).await?;
    }
    Ok(())
}

fn deleting(table: &'static str, column: &'static str, id: &str) -> Sql {
    let sql = Sql::new("DELETE FROM ").push(table).push(" WHERE ");
    sql.push(column).push(" = ").bind(id)
}

/// Writes `entity` over the version that it was made of.
fn replacing<E: Entity>(entity: &E) -> Sql {
    let version = entity.stamp().version;
    let mut columns = entity.columns();
    columns.retain(|(name, _)| *name != "version" && *name != E::ID);
    columns.push(("version", version.saturating_add(1).into()));
    let sql = Sql::update(E::TABLE, columns).push(" WHERE ").push(E::ID);
    let sql = sql.push(" = ").bind(entity.id());
    sql.push(" AND version = ").bind(version)
}

fn hash_of(key: &VirtualKey) -> Sql {
    let columns = vec![
        ("hash", key.token.to_hex().into()),
        ("key_id", key.id.as_str().into()),
        ("valid_until", Value::Int(None)),
    ];
    Sql::insert("key_hashes", columns)
}

fn narrowed(sql: Sql, filter: &[(&'static str, Option<Value>)]) -> Sql {
    let mut sql = sql.push(" WHERE 1 = 1");
    for (column, value) in filter {
        if let Some(value) = value {
            sql = sql.push(" AND ").push(column).push(" = ");
            sql = sql.bind(value.clone());
        }
    }
    sql
}

fn first<T>(
    rows: &[Row],
    read: impl FnOnce(&Row) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    rows.first().map(read).transpose()
}

const fn fresh(changed: u64) -> Result<(), StoreError> {
    if changed == 0 {
        Err(StoreError::Stale)
    } else {
        Ok(())
    }
}
