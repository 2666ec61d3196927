//! Keyset paging: nothing repeats and nothing is missed, while rows come and go.
use std::collections::HashSet;

use claviger_store::page::PageRequest;

use claviger_store::credential::Filter;

use super::*;

on_both_engines! {
    async fn paging_over_120_accounts_repeats_and_misses_none_while_others_are_made(place) {
        let store = place.open().await;
        let mut all = HashSet::new();
        let mut tx = store.begin().await.expect("begun");
        for number in 0..120 {
            let made = Account { id: AccountId::new(at(number), &Counting), ..account(&format!("Account {number}")) };
            tx.insert_account(&made).await.expect("inserted");
            all.insert(made.id);
        }
        let done = recorded(&mut tx, None).await;
        tx.commit(done).await.expect("committed");

        let (mut seen, mut after, mut last, mut pages) = (Vec::new(), None, None, 0);
        loop {
            let page = store.reader().await.expect("a reader").list_accounts(&PageRequest { after, limit: 17 }).await.expect("a page");
            assert!(page.items.len() <= 17);
            for found in page.items {
                assert!(last.is_none_or(|last| found.id < last), "newest first, each once");
                last = Some(found.id);
                seen.push(found.id);
            }
            pages += 1;
            // newer ones do not push a row onto the next page
            let mut tx = store.begin().await.expect("begun");
            tx.insert_account(&Account { id: AccountId::new(at(1_000 + pages), &Counting), ..account("Newcomer") }).await.expect("inserted");
            let done = recorded(&mut tx, None).await;
            tx.commit(done).await.expect("committed");
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(pages, 8);
        assert_eq!(seen.len(), 120);
        assert_eq!(seen.into_iter().collect::<HashSet<_>>(), all);
    }

    async fn a_page_that_ends_exactly_at_the_last_row_has_no_next(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        for number in 0..4 {
            make_credential(&store, acme.id, &format!("clv_client_{number}")).await;
        }
        let mut reader = store.reader().await.expect("a reader");
        for (limit, pages) in [(1, 4), (2, 2), (3, 2), (4, 1), (200, 1)] {
            let (mut after, mut count, mut rows) = (None, 0, 0);
            loop {
                let page = reader.list_credentials(acme.id, &Filter::default(), &PageRequest { after, limit }, i64::MAX).await.expect("a page");
                (count, rows) = (count + 1, rows + page.items.len());
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!((count, rows), (pages, 4), "limit {limit}");
        }
    }

    async fn lists_hold_their_own_account_s_rows_only(place) {
        let store = place.open().await;
        let (acme, other) = (make_account(&store, "Acme").await, make_account(&store, "Other").await);
        let mine = make_credential(&store, acme.id, "clv_client_mine").await;
        make_credential(&store, other.id, "clv_client_theirs").await;
        let all = PageRequest { after: None, limit: 200 };
        let mut reader = store.reader().await.expect("a reader");
        let listed: Vec<_> = reader.list_credentials(acme.id, &Filter::default(), &all, i64::MAX).await.expect("a page").items.into_iter().map(|found| found.credential.public_id).collect();
        assert_eq!(listed, ["clv_client_mine"]);
        assert!(reader.find_credential(other.id, mine.id, i64::MAX).await.expect("answered").is_none(), "the account stands in the query");
        let events = reader.list_events(acme.id, &all).await.expect("a page").items;
        assert!(!events.is_empty() && events.iter().all(|event| event.account_id == Some(acme.id.to_string())));
    }

    async fn a_search_takes_percent_and_underscore_as_they_are(place) {
        let store = place.open().await;
        for name in ["100% Pure", "snake_case", "snakeXcase", "Bang!"] {
            make_account(&store, name).await;
        }
        let mut reader = store.reader().await.expect("a reader");
        for (text, found) in [("100%", 1), ("%", 1), ("snake_case", 1), ("_", 1), ("!", 1), ("SNAKE", 2), ("nothing", 0)] {
            let page = reader.search_accounts(text, &PageRequest { after: None, limit: 50 }).await.expect("a page");
            assert_eq!(page.items.len(), found, "{text}");
        }
    }
}
