//! What every store must do about accounts.

use std::sync::Arc;

use super::{account, at, csp_record, deliver, ids, mail, mailbox, one, user, with_ada};
use crate::element::im::MailKind;
use crate::element::im::hosted::Manner;
use crate::imps::Terms;
use crate::relay::ports::{Change, Outcome, Store};

pub(in crate::store) async fn accounts_come_and_go(store: &dyn Store) {
    let (ada, cy) = (account("wv:Ada@north.example"), account("wv:cy@north.example"));
    let ask = || store.accounts(vec![user("wv:cy@north.example"), user("wv:ADA@north.example")]);
    assert_eq!(ask().await.unwrap(), [None, None]);
    assert_eq!(one(store, Change::AddAccount(cy.clone())).await, Outcome::Done);
    assert_eq!(one(store, Change::AddAccount(ada.clone())).await, Outcome::Done);
    assert_eq!(one(store, Change::AddAccount(account("wv:CY@north.example"))).await, Outcome::Duplicate);
    assert_eq!(ask().await.unwrap(), [Some(cy.clone()), Some(ada.clone())]);
    let everybody = store.all_accounts().await.unwrap();
    assert_eq!(everybody, [ada.clone(), cy.clone()]);
    assert_eq!(everybody[0].user.as_str(), "wv:Ada@north.example", "as spelled when it was made");

    let password = |name: &str| Change::SetPassword { user: user(name), sealed_password: Arc::from(*b"new") };
    assert_eq!(one(store, password("wv:Cy@north.example")).await, Outcome::Done);
    assert_eq!(one(store, password("wv:bo@north.example")).await, Outcome::Missing);
    assert_eq!(&*ask().await.unwrap()[0].clone().unwrap().sealed_password, b"new");

    assert_eq!(one(store, Change::RemoveAccount(user("wv:CY@north.example"))).await, Outcome::Done);
    assert_eq!(one(store, Change::RemoveAccount(cy.user.clone())).await, Outcome::Missing);
    assert_eq!(ask().await.unwrap(), [None, Some(ada.clone())]);
    assert_eq!(store.all_accounts().await.unwrap(), [ada]);
}

pub(in crate::store) async fn messages_of_a_removed_account_go_back_to_their_authors(store: &dyn Store) {
    with_ada(store).await;
    let ada = user("wv:ada@north.example");
    let mut report = mail("wv:ada@north.example", "r-1", 1);
    report.kind = MailKind::Report;
    one(store, Change::Deliver { mail: report, seen: None }).await;
    one(store, deliver(mail("wv:ada@north.example", "m-1", 1))).await;
    one(store, Change::PutCspSession(Box::new(csp_record("s-1", "wv:ada@north.example")))).await;
    assert_eq!(one(store, Change::RemoveAccount(ada.clone())).await, Outcome::Done);
    assert!(store.csp_sessions().await.unwrap().is_empty());
    assert!(mailbox(store, "wv:ada@north.example").await.is_empty());
    assert_eq!(store.message(ada.clone(), "m-1".parse().unwrap()).await.unwrap(), None);

    // A new account of that name has an empty mailbox, and the old message is still given back.
    with_ada(store).await;
    one(store, deliver(mail("wv:ada@north.example", "m-2", 1))).await;
    assert_eq!(ids(&mailbox(store, "wv:ada@north.example").await), ["m-2"]);
    let expired = store.expired_mail(at(11), 10).await.unwrap();
    assert_eq!((ids(&expired), &expired[0].mail.owner), (vec!["m-1"], &ada));
    let drop = Change::DropMail { owner: ada.clone(), row: expired[0].row };
    assert_eq!(one(store, drop).await, Outcome::Done);
    assert!(store.expired_mail(at(11), 10).await.unwrap().is_empty());
    one(store, Change::Forget { before: at(0) }).await;
    assert_eq!(ids(&mailbox(store, "wv:ada@north.example").await), ["m-2"]);
}

pub(in crate::store) async fn terms_are_kept_with_their_account(store: &dyn Store) {
    let mut terms = Terms::default();
    terms.set("services", "im,group").unwrap();
    terms.set("offline", "reject").unwrap();
    let set = |terms| Change::SetTerms { user: user("wv:ADA@north.example"), terms };
    assert_eq!(one(store, set(terms)).await, Outcome::Missing);
    with_ada(store).await;
    let ask = || async {
        let account = store.accounts(vec![user("wv:ada@north.example")]).await.unwrap().remove(0);
        account.map(|account| account.terms)
    };
    assert_eq!(ask().await, Some(Terms::default()));
    assert_eq!(one(store, set(terms)).await, Outcome::Done);
    assert_eq!(ask().await, Some(terms));
    terms.set("status", "barred").unwrap();
    assert_eq!(one(store, set(terms)).await, Outcome::Done);
    assert!(ask().await.is_some_and(|terms| terms.is_barred()));
    // An account that is made again begins anew
    one(store, Change::RemoveAccount(user("wv:ada@north.example"))).await;
    with_ada(store).await;
    assert_eq!(ask().await, Some(Terms::default()));
}

pub(in crate::store) async fn what_a_home_wants_to_hear_is_kept_with_the_account(store: &dyn Store) {
    let ada = user("wv:ada@north.example");
    let set = |manner| Change::SetManner { user: ada.clone(), manner };
    let wish = Manner { notify: true, octets_max: Some(4096) };
    assert_eq!(one(store, set(wish)).await, Outcome::Missing);
    with_ada(store).await;
    assert!(store.manners().await.unwrap().is_empty());
    assert_eq!(one(store, set(wish)).await, Outcome::Done);
    assert_eq!(store.manners().await.unwrap(), [(ada.clone(), wish)]);
    assert_eq!(one(store, set(Manner::default())).await, Outcome::Done);
    assert!(store.manners().await.unwrap().is_empty());
}
