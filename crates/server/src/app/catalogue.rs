//! The catalogue of operations: importing one, with what changes for whom known before it does.
use std::{collections::BTreeMap, sync::Arc};

use claviger_domain::{
    catalogue::{Catalogue, RoleRules},
    event::Action,
    policy::OperatorGrant,
};
use serde_json::json;

use super::App;
use crate::{
    problem::{Code, Problem},
    request::Context,
};

/// How often an import is compared anew because another came before it.
const TRIES: usize = 10;

/// What an import did, or would do.
pub struct Import {
    /// Whether it is in force now.
    pub imported: bool,
    /// Whether some fine-grained credential can do more with it.
    pub widens: bool,
    /// What changes for whom.
    pub report: String,
}

/// The catalogue in force: as the database has it, whatever this node has heard of it so far.
pub(crate) async fn current(app: &App) -> Result<Option<Arc<Catalogue>>, Problem> {
    app.index.catch_up().await?;
    Ok(app.index.catalogue())
}

/// Puts the catalogue of an OpenAPI document in force, unless it is only a trial, or would widen a fine-grained credential and nobody accepts that.
/// What it is compared with is what it replaces: where another is imported meanwhile, it is compared with that one. Credentials count that there
/// are when it is compared.
pub(crate) async fn import(
    app: &App,
    context: &Context,
    grant: &OperatorGrant,
    document: &str,
    trial: bool,
    accept: bool,
) -> Result<Import, Problem> {
    let new = Catalogue::from_openapi(document).map_err(|error| Problem::new(Code::Invalid, error.to_string()))?;
    for _ in 0..TRIES {
        if let Some(import) = try_import(app, context, grant, &new, trial, accept).await? {
            return Ok(import);
        }
    }
    Err(Problem::new(Code::Conflict, "Others are importing catalogues at the same time. Look at the one in force, and try again."))
}

/// None when another catalogue was imported meanwhile.
async fn try_import(
    app: &App,
    context: &Context,
    grant: &OperatorGrant,
    new: &Catalogue,
    trial: bool,
    accept: bool,
) -> Result<Option<Import>, Problem> {
    let mut reader = app.store.reader().await?;
    let (stored, _) = reader.load_catalogue().await?;
    let old = stored.as_deref().map(Catalogue::from_json).transpose().map_err(|error| Problem::internal(error.to_string()))?;
    let credentials = reader.list_limited_credentials().await?;
    let (mut rules, mut kinds) = (BTreeMap::<String, RoleRules>::new(), BTreeMap::new());
    for credential in &credentials {
        if let Some(account) = reader.find_account(credential.account_id).await? {
            if let Some(kind) = app.kinds.find(&account.kind) {
                rules
                    .entry(account.kind.clone())
                    .or_insert_with(|| kind.credentials.roles.iter().map(|role| (role.id.clone(), role.allows)).collect());
            }
            kinds.insert(credential.account_id, account.kind);
        }
    }
    drop(reader);
    let none = RoleRules::new();
    let holders = credentials.iter().map(|credential| {
        let rules = kinds.get(&credential.account_id).and_then(|kind| rules.get(kind)).unwrap_or(&none);
        (credential.public_id.clone(), &credential.access, rules)
    });
    let changes = Catalogue::compare(&old.unwrap_or_default(), new, holders);
    let widens = changes.widens_fine_grained();
    let report = changes.to_string();
    if trial || (widens && !accept) {
        return Ok(Some(Import { imported: false, widens, report }));
    }
    let mut tx = app.store.begin().await?;
    if !tx.replace_catalogue(stored.as_deref(), new.as_json(), app.clock.now()).await? {
        return Ok(None);
    }
    let detail = json!({ "revision": new.revision(), "widens": widens });
    let event = app.event(context, grant.actor(), Action::CatalogueChanged, None, "catalogue", detail);
    let recorded = tx.record(&event).await?;
    app.commit(tx, recorded).await?;
    Ok(Some(Import { imported: true, widens, report }))
}

/// Imports from the command line, where whoever can read the key ring is the operator.
///
/// # Errors
/// When the document cannot be used, or the database is not available.
pub async fn import_from_command_line(app: &App, document: &str, accept: bool) -> Result<Import, Problem> {
    let grant = super::operator_keys::command_line()?;
    import(app, &super::operator_keys::on_command_line(), &grant, document, false, accept).await
}
