//! The whole system as its users run it: the real binary, real nginx, real PostgreSQL, real Chromium.
mod back_office;
mod cluster;
mod console;
mod crash;
mod demo;
mod gateways;
mod hostile_clients;
mod nginx;
mod oauth_client;
mod own_kind;
mod postgres;
mod secrets;
mod traces;
mod verify;
