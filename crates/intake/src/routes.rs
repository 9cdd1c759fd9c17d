//! Which address leads where.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::{get, post};
use guard::intake::EventSink;

use crate::events::{self, EventsRoute};
use crate::fetch::Fetch;
use crate::health::{self, Health, HealthRoute};
use crate::links::{self, LinksRoute, SubscriptionDesk};
use crate::metrics::Metrics;
use crate::places::{Bounds, Places};
use crate::sns::{self, SnsRoute};

/// The routes that others reach: those that are configured, and no more.
#[derive(Debug)]
pub struct PublicRoutes {
    router: Router,
    metrics: Metrics,
    bounds: Bounds,
}

impl PublicRoutes {
    /// None.
    pub fn new(metrics: Metrics) -> PublicRoutes {
        PublicRoutes {
            router: Router::new(),
            metrics,
            bounds: Bounds::default(),
        }
    }

    /// Of each route that follows, so many requests are worked at at once (32 if nothing is said), and a body
    /// is whole within this (five seconds).
    #[must_use]
    pub fn bounded(mut self, requests: usize, body_within: Duration) -> PublicRoutes {
        self.bounds = Bounds {
            requests,
            body_within,
        };
        self
    }

    /// `POST /events`. From now on its source counts as heard: that nobody sends anything is no failure.
    #[must_use]
    pub fn events<S: EventSink>(self, route: EventsRoute<S>) -> PublicRoutes {
        route.watch.heard((route.now)());
        let router = Router::new()
            .route("/events", post(events::take::<S>))
            .with_state((Arc::new(route), Places::new(self.bounds)));
        self.with("events", router)
    }

    /// `POST /sns`. From now on its source counts as heard, as for [`PublicRoutes::events`].
    #[must_use]
    pub fn sns<S: EventSink, F: Fetch>(self, route: SnsRoute<S, F>) -> PublicRoutes {
        route.watch.heard((route.now)());
        let router = Router::new()
            .route("/sns", post(sns::take::<S, F>))
            .with_state((Arc::new(route), Places::new(self.bounds)));
        self.with("sns", router)
    }

    /// `GET` and `POST` of `/links/confirm`, `/links/unsubscribe` and `/links/acknowledge`.
    #[must_use]
    pub fn links<D: SubscriptionDesk>(self, route: LinksRoute<D>) -> PublicRoutes {
        let follow = || get(links::follow::<D>).post(links::follow::<D>);
        let router = Router::new()
            .route("/links/confirm", follow())
            .route("/links/unsubscribe", follow())
            .route("/links/acknowledge", follow())
            .with_state(Arc::new(route));
        let router = placed(router, self.bounds);
        self.with("links", router)
    }

    /// All of them, below a path if the address that others know has one (`/portcullis`) and the proxy
    /// leaves it there.
    pub fn router(self, below: Option<&str>) -> Router {
        match below.map(|path| path.trim_matches('/')) {
            None | Some("") => self.router,
            Some(path) => Router::new().nest(&format!("/{path}"), self.router),
        }
    }

    fn with(self, name: &'static str, router: Router) -> PublicRoutes {
        let counted = counted(router, name, &self.metrics);
        PublicRoutes {
            router: self.router.merge(counted),
            ..self
        }
    }
}

/// `GET /healthz`, `GET /readyz` and `GET /metrics`: for an address on loopback.
pub fn private_routes<H: Health>(health: Arc<H>, metrics: &Metrics) -> Router {
    let state = HealthRoute {
        health,
        metrics: metrics.clone(),
    };
    let router = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready::<H>))
        .route("/metrics", get(health::measured::<H>))
        .with_state(Arc::new(state));
    counted(placed(router, Bounds::default()), "health", metrics)
}

/// A route that looks at the head of a request only.
fn placed(router: Router, bounds: Bounds) -> Router {
    let places = Places::new(bounds);
    router.route_layer(from_fn(move |request: Request, next: Next| {
        let places = places.clone();
        async move {
            let _place = places.take().await;
            next.run(request).await
        }
    }))
}

fn counted(router: Router, name: &'static str, metrics: &Metrics) -> Router {
    let metrics = metrics.clone();
    router.route_layer(from_fn(move |request: Request, next: Next| {
        let metrics = metrics.clone();
        async move {
            let answer = next.run(request).await;
            metrics.answered(name, answer.status().as_u16());
            answer
        }
    }))
}
