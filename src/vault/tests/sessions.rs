//! Sessions over a clock that cannot be turned: lifetimes are made short instead.

use super::*;

async fn issue(bench: &Bench, force_new: bool) -> IssuedTokens {
    bench.vault.issue_tokens(&bench.at().await, &ids(Some("mark")), force_new).await.unwrap()
}

async fn opens(bench: &Bench, token: &SessionToken) -> bool {
    bench.vault.authenticate_token::<need::Session>(token.expose()).await.is_ok()
}

async fn registered() -> Bench {
    let bench = Bench::new().await;
    let change = AccountChange::default();
    bench.vault.create_account(&bench.at().await, &ids(Some("mark")), &change).await.unwrap();
    bench
}

#[test]
fn a_valid_token_is_handed_out_again_unless_a_fresh_one_is_asked_for() {
    block_on(async {
        let bench = registered().await;
        let first = issue(&bench, false).await;
        let again = issue(&bench, false).await;
        assert_eq!(first.token.expose(), again.token.expose());
        assert_eq!(first.refresh_token.expose(), again.refresh_token.expose());
        let fresh = issue(&bench, true).await;
        assert_ne!(first.token.expose(), fresh.token.expose());
        for tokens in [&first, &fresh] {
            assert!(opens(&bench, &tokens.token).await);
        }
        assert_eq!(issue(&bench, false).await.token.expose(), fresh.token.expose(), "the newest");
    });
}

#[test]
fn a_refresh_token_is_good_once_and_its_second_use_ends_the_session() {
    block_on(async {
        let bench = registered().await;
        let other = issue(&bench, false).await;
        let first = issue(&bench, true).await;
        let second =
            bench.vault.refresh_tokens(first.refresh_token.expose(), &Origin::default()).await.unwrap();
        assert!(opens(&bench, &first.token).await, "the old token lives until it expires");
        assert!(opens(&bench, &second.token).await);
        let reused = bench.vault.refresh_tokens(first.refresh_token.expose(), &Origin::default()).await;
        assert!(matches!(reused, Err(Error::InvalidToken)));
        for token in [&first.token, &second.token] {
            assert!(!opens(&bench, token).await, "the family is gone");
        }
        assert!(bench.vault.refresh_tokens(second.refresh_token.expose(), &Origin::default()).await.is_err());
        assert!(opens(&bench, &other.token).await, "another login is another family");
    });
}

#[test]
fn of_concurrent_uses_of_one_refresh_token_exactly_one_gets_a_pair() {
    let bench = block_on(registered());
    for _ in 0..100 {
        let tokens = block_on(issue(&bench, true));
        let refresh = || {
            block_on(bench.vault.refresh_tokens(tokens.refresh_token.expose(), &Origin::default())).is_ok()
        };
        let won = std::thread::scope(|scope| {
            let uses: Vec<_> = (0..4).map(|_| scope.spawn(refresh)).collect();
            uses.into_iter().map(|used| used.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
        assert!(!block_on(opens(&bench, &tokens.token)), "the others showed that it was stolen");
    }
}

#[test]
fn an_account_has_a_bounded_number_of_sessions_and_the_oldest_ends_first() {
    block_on(async {
        let bench = registered().await;
        let first = issue(&bench, true).await;
        let second = issue(&bench, true).await;
        for _ in 0..63 {
            issue(&bench, true).await;
        }
        assert_eq!(bench.engine.dump(Tree::Sessions).len(), 64);
        assert_eq!(bench.engine.dump(Tree::SessionIds).len(), 64);
        assert!(!opens(&bench, &first.token).await);
        assert!(opens(&bench, &second.token).await);
    });
}

#[test]
fn what_is_over_is_refused_and_swept() {
    block_on(async {
        let policy = Policy {
            session_lifetime: Duration::from_secs(1),
            refresh_lifetime: Duration::from_secs(4),
            ..Policy::for_tests()
        };
        let bench = Bench::with(policy).await;
        let change = AccountChange::default();
        bench.vault.create_account(&bench.at().await, &ids(Some("mark")), &change).await.unwrap();
        let tokens = issue(&bench, false).await;
        assert!(tokens.expires_in <= 1 && tokens.refresh_expires_in <= 4);
        assert_eq!(bench.vault.sweep_sessions().await.unwrap(), 0);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(!opens(&bench, &tokens.token).await);
        assert_eq!(bench.vault.sweep_sessions().await.unwrap(), 0, "its refresh token is good");
        tokio::time::sleep(Duration::from_millis(3000)).await;
        assert!(bench.vault.refresh_tokens(tokens.refresh_token.expose(), &Origin::default()).await.is_err());
        assert_eq!(bench.vault.sweep_sessions().await.unwrap(), 1);
        assert!(bench.engine.dump(Tree::Sessions).is_empty());
        assert!(bench.engine.dump(Tree::SessionIds).is_empty());
    });
}
