create schema ops;
