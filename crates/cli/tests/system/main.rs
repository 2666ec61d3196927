//! The whole system as its users run it: the real binary, real nginx, real PostgreSQL, real Chromium.
mod back_office;
mod cluster;
mod console;
mod crash;
mod demo;
mod hostile_clients;
mod nginx;
mod postgres;
mod secrets;
