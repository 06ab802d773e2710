/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mock node in a thread of a test's process, on a loopback port of its own, with a chain
 * that has true state roots and proofs.
 *
 * What touches the node is done on its thread, while the caller waits; chain and world may be
 * read from anywhere, as long as nobody moves the chain. Tests that use it are named
 * test_upstream_*.c, by which they are linked with the mock (Makefile).
 */
#include "mock_node/history.h"

struct mock_thread;

/* ERR_NOMEM, ERR_IO. */
enum err mock_thread_start(uint64_t blocks, struct mock_thread **out) WARN_UNUSED;
void mock_thread_stop(struct mock_thread **mock);
unsigned mock_thread_port(const struct mock_thread *mock);
const struct chain *mock_thread_chain(const struct mock_thread *mock);

/* POST /control of this JSON text (control.h). What is wrong with it ends the test. */
void mock_thread_control(struct mock_thread *mock, const char *json);
/* How often a method has been asked since the counters were reset. */
uint64_t mock_thread_asked(struct mock_thread *mock, const char *method);
/* How much has been asked in all. */
uint64_t mock_thread_items(struct mock_thread *mock);
/* The body of the newest request: at most size - 1 of its bytes, and an end. */
void mock_thread_last_body(struct mock_thread *mock, char *out, size_t size);
