/* SPDX-License-Identifier: MIT */
/* Descriptors on the loop; the rest of it is in test_loop.c. */
#include "loop_fixture.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct end {
	struct loop_fd lfd;
	int fd;
	char name;
	unsigned got;
	int calls;
	bool reads;   /* one byte a call */
	bool drained; /* says so */
	bool stops;
	struct end *removes; /* and closes */
	struct end *quiets;
};

static void end_drop(struct end *end)
{
	loop_fd_remove(loop, &end->lfd);
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void end_ready(void *cookie, unsigned events)
{
	struct end *end = cookie;
	char byte;
	note(end->name);
	end->got = events;
	end->calls++;
	if (end->reads)
		assert_int_equal(read(end->fd, &byte, 1), 1);
	if (end->drained)
		loop_fd_drained(&end->lfd);
	if (end->quiets)
		loop_fd_want(loop, &end->quiets->lfd, 0);
	if (end->stops)
		loop_stop(loop);
	if (end->removes)
		end_drop(end->removes);
}

static unsigned edge; /* LOOP_EDGE: for all that are added */

static void end_add(struct end *end, char name, int fd, unsigned wanted)
{
	*end = (struct end){.name = name, .fd = fd};
	assert_ok(loop_fd_add(loop, &end->lfd, fd, wanted | edge, end_ready, end));
}

static void make_pair(int fds[2])
{
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
}

static void level_triggered_until_it_is_read(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	make_pair(fds);
	end_add(&a, 'a', fds[0], LOOP_READ);
	a.reads = true;
	run_for(100);
	assert_int_equal(a.calls, 0);
	assert_int_equal(write(fds[1], "xyz", 3), 3);
	a.stops = true;
	while (a.calls < 3)
		run_for(100000);
	run_for(100);
	assert_int_equal(a.calls, 3);
	assert_int_equal(a.got, LOOP_READ);
	end_drop(&a);
	close(fds[1]);
}

static void only_what_is_wanted_is_reported(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	make_pair(fds);
	assert_int_equal(write(fds[1], "x", 1), 1);
	end_add(&a, 'a', fds[0], LOOP_READ | LOOP_WRITE);
	a.stops = true;
	run_for(100000);
	assert_int_equal(a.got, LOOP_READ | LOOP_WRITE);
	loop_fd_want(loop, &a.lfd, LOOP_WRITE);
	run_for(100000);
	assert_int_equal(a.got, LOOP_WRITE);
	assert_int_equal(a.calls, 2);
	loop_fd_want(loop, &a.lfd, 0);
	run_for(500);
	assert_int_equal(a.calls, 2);
	loop_fd_want(loop, &a.lfd, LOOP_READ);
	run_for(100000);
	assert_int_equal(a.calls, 3);
	assert_int_equal(a.got, LOOP_READ);
	end_drop(&a);
	close(fds[1]);
}

static void a_change_of_interest_that_is_undone_costs_nothing(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	make_pair(fds);
	end_add(&a, 'a', fds[0], LOOP_READ);
	loop_fd_want(loop, &a.lfd, 0);
	loop_fd_want(loop, &a.lfd, LOOP_READ);
	assert_int_equal(a.lfd.actual, LOOP_READ);
	assert_int_equal(write(fds[1], "x", 1), 1);
	a.stops = true;
	run_for(100000);
	assert_int_equal(a.calls, 1);
	end_drop(&a);
	close(fds[1]);
}

static void a_hang_up_shows_as_what_is_wanted(void **state)
{
	(void)state;
	static const unsigned wanted[] = {LOOP_READ, LOOP_WRITE, LOOP_READ | LOOP_WRITE};
	for (int i = 0; i < 3; i++) {
		int fds[2];
		struct end a;
		make_pair(fds);
		close(fds[1]);
		end_add(&a, 'a', fds[0], wanted[i]);
		a.stops = true;
		run_for(100000);
		assert_int_equal(a.got, wanted[i]);
		end_drop(&a);
	}
}

static void a_hang_up_that_nobody_wants_does_not_spin(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	struct loop_hook hook;
	make_pair(fds);
	end_add(&a, 'a', fds[0], LOOP_READ);
	loop_fd_want(loop, &a.lfd, 0);
	close(fds[1]);
	turns = 0;
	loop_hook_add(loop, &hook, count_turn, NULL);
	run_for(20000);
	assert_int_equal(a.calls, 0);
	assert_in_range(turns, 1, 4);
	loop_fd_want(loop, &a.lfd, LOOP_READ); /* told when somebody wants it */
	a.stops = true;
	run_for(100000);
	assert_int_equal(a.calls, 1);
	end_drop(&a);
}

static void an_edge_is_as_good_as_a_level(void **state)
{
	edge = LOOP_EDGE;
	level_triggered_until_it_is_read(state);
	only_what_is_wanted_is_reported(state);
	a_change_of_interest_that_is_undone_costs_nothing(state);
	a_hang_up_shows_as_what_is_wanted(state);
	a_hang_up_that_nobody_wants_does_not_spin(state);
	edge = 0;
}

static void what_is_drained_is_reported_when_more_comes(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	make_pair(fds);
	end_add(&a, 'a', fds[0], LOOP_READ | LOOP_EDGE);
	a.reads = a.drained = a.stops = true;
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(fds[1], "x", 1), 1);
		run_for(100000);
		assert_int_equal(a.calls, i);
	}
	/* It is believed: nobody asks the kernel about the second byte. */
	assert_int_equal(write(fds[1], "xy", 2), 2);
	run_for(100000);
	run_for(500);
	assert_int_equal(a.calls, 4);
	loop_fd_want(loop, &a.lfd, LOOP_READ | LOOP_WRITE);
	run_for(100000);
	assert_int_equal(a.got, LOOP_READ | LOOP_WRITE);
	end_drop(&a);
	close(fds[1]);
}

/* It came with the last bytes, and no edge comes after it. */
static void an_end_is_never_drained(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	make_pair(fds);
	end_add(&a, 'a', fds[0], LOOP_READ | LOOP_EDGE);
	a.reads = a.drained = a.stops = true;
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_ok(shutdown(fds[1], SHUT_WR));
	run_for(100000);
	a.reads = false;
	run_for(100000);
	assert_int_equal(a.calls, 2);
	end_drop(&a);
	close(fds[1]);
}

static void want_again(void *cookie)
{
	struct end *end = cookie;
	if (end->lfd.wanted == 0)
		loop_fd_want(loop, &end->lfd, LOOP_READ);
}

static void an_edge_that_was_not_wanted_is_not_lost(void **state)
{
	(void)state;
	int one[2], two[2];
	struct end a, b;
	struct loop_hook hook;
	make_pair(one);
	make_pair(two);
	end_add(&a, 'a', one[0], LOOP_READ | LOOP_EDGE);
	end_add(&b, 'b', two[0], LOOP_READ | LOOP_EDGE);
	a.reads = b.reads = b.stops = true;
	a.quiets = &b; /* in the turn in which both are ready; then it is wanted again */
	assert_int_equal(write(one[1], "x", 1), 1);
	assert_int_equal(write(two[1], "x", 1), 1);
	loop_hook_add(loop, &hook, want_again, &b);
	run_for(100000);
	assert_string_equal(trace, "ab");
	end_drop(&a);
	end_drop(&b);
	close(one[1]);
	close(two[1]);
}

static void a_callback_may_remove_itself_and_others(void **state)
{
	(void)state;
	int one[2], two[2];
	struct end a, b;
	make_pair(one);
	make_pair(two);
	assert_int_equal(write(one[1], "x", 1), 1);
	assert_int_equal(write(two[1], "x", 1), 1);
	end_add(&a, 'a', one[0], LOOP_READ);
	end_add(&b, 'b', two[0], LOOP_READ);
	a.removes = &b; /* both are ready in the same turn: only one may run */
	b.removes = &a;
	a.stops = b.stops = true;
	run_for(100000);
	assert_int_equal(a.calls + b.calls, 1);
	struct end *left = a.calls ? &a : &b;
	left->removes = left;
	run_for(100000);
	assert_int_equal(left->calls, 2);
	run_for(100);
	assert_int_equal(left->calls, 2);
	loop_fd_remove(loop, &left->lfd);
	assert_int_equal(left->lfd.fd, -1);
	close(one[1]);
	close(two[1]);
}

struct owner {
	struct loop_fd lfd;
	struct loop_timer timer;
	int fd;
};

static void owner_dies(void *cookie, unsigned events)
{
	(void)events;
	struct owner *owner = cookie;
	note('d');
	loop_fd_remove(loop, &owner->lfd);
	loop_timer_cancel(loop, &owner->timer);
	close(owner->fd);
	free(owner);
}

static void a_callback_may_free_the_owner_of_everything(void **state)
{
	(void)state;
	int fds[2];
	make_pair(fds);
	struct owner *owner = malloc(sizeof *owner);
	assert_non_null(owner);
	owner->fd = fds[0];
	assert_ok(loop_fd_add(loop, &owner->lfd, fds[0], LOOP_READ, owner_dies, owner));
	loop_timer_init(&owner->timer, stop_now, NULL);
	assert_ok(loop_timer_start(loop, &owner->timer, 0)); /* due in the same turn */
	loop_fd_want(loop, &owner->lfd, LOOP_READ | LOOP_WRITE);
	assert_int_equal(write(fds[1], "x", 1), 1);
	run_for(500);
	assert_string_equal(trace, "d.");
	close(fds[1]);
}

static void the_same_number_for_another_socket(void **state)
{
	(void)state;
	int one[2], two[2];
	struct end a, b;
	make_pair(one);
	end_add(&a, 'a', one[0], LOOP_READ);
	run_for(10);
	/* Changed, removed, closed; opened again under the same number; all in one turn. */
	int number = one[0];
	loop_fd_want(loop, &a.lfd, LOOP_READ | LOOP_WRITE);
	end_drop(&a);
	make_pair(two);
	if (two[0] != number) {
		assert_true(dup2(two[0], number) == number);
		close(two[0]);
	}
	end_add(&b, 'b', number, LOOP_READ);
	assert_int_equal(write(two[1], "x", 1), 1);
	b.stops = true;
	run_for(100000);
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.calls, 1);
	end_drop(&b);
	close(one[1]);
	close(two[1]);
}

static void removed_and_added_again_while_open(void **state)
{
	(void)state;
	int fds[2];
	struct end a;
	make_pair(fds);
	end_add(&a, 'a', fds[0], LOOP_READ);
	for (int i = 0; i < 3; i++) {
		loop_fd_remove(loop, &a.lfd);
		end_add(&a, 'a', fds[0], LOOP_READ);
	}
	assert_int_equal(write(fds[1], "x", 1), 1);
	a.stops = true;
	run_for(100000);
	assert_int_equal(a.calls, 1);
	end_drop(&a);
	close(fds[1]);
}

static struct end replacing, replacement;
static int replacement_pair[2];
static void replace_other(void *cookie, unsigned events)
{
	(void)cookie;
	(void)events;
	/* The other one's event may be waiting in the same batch. It must not reach its
	 * successor, which has the same number and the same row but is not ready. */
	int number = replacing.fd;
	end_drop(&replacing);
	make_pair(replacement_pair);
	if (replacement_pair[0] != number) {
		assert_true(dup2(replacement_pair[0], number) == number);
		close(replacement_pair[0]);
	}
	end_add(&replacement, 'r', number, LOOP_READ);
	loop_stop(loop);
}

static void a_stale_event_does_not_reach_the_successor(void **state)
{
	(void)state;
	int one[2], two[2];
	struct loop_fd first;
	make_pair(one);
	make_pair(two);
	/* Ready in this order, which is the order of epoll's list. */
	assert_ok(loop_fd_add(loop, &first, one[0], LOOP_READ, replace_other, NULL));
	end_add(&replacing, 'x', two[0], LOOP_READ);
	assert_int_equal(write(one[1], "x", 1), 1);
	assert_int_equal(write(two[1], "x", 1), 1);
	run_for(100000);
	assert_string_equal(trace, "");
	assert_int_equal(replacement.calls, 0);
	loop_fd_remove(loop, &first);
	end_drop(&replacement);
	close(one[0]);
	close(one[1]);
	close(two[1]);
	close(replacement_pair[1]);
}

static void many_descriptors(void **state)
{
	(void)state;
	enum { N = 300 };
	static struct end ends[N];
	static int peers[N];
	for (int i = 0; i < N; i++) {
		int fds[2];
		make_pair(fds);
		peers[i] = fds[1];
		end_add(&ends[i], 'n', fds[0], 0);
		loop_fd_want(loop, &ends[i].lfd, LOOP_READ);
	}
	for (int i = 0; i < N; i += 3)
		end_drop(&ends[i]);
	for (int i = 0; i < N; i++) {
		ends[i].reads = true;
		ends[i].name = '\0';
		assert_true(send(peers[i], "x", 1, MSG_NOSIGNAL) == (i % 3 ? 1 : -1));
	}
	run_for(5000);
	for (int i = 0; i < N; i++) {
		assert_int_equal(ends[i].calls, i % 3 != 0);
		end_drop(&ends[i]);
		close(peers[i]);
	}
}

static void what_epoll_refuses(void **state)
{
	(void)state;
	struct loop_fd lfd;
	assert_int_equal(loop_fd_add(loop, &lfd, -1, LOOP_READ, end_ready, NULL), ERR_IO);
	loop_fd_remove(loop, &lfd);
	int regular = memfd_create("regular", MFD_CLOEXEC);
	assert_int_equal(loop_fd_add(loop, &lfd, regular, LOOP_READ, end_ready, NULL), ERR_IO);
	loop_fd_remove(loop, &lfd);
	struct loop_fd zeroed = {0};
	loop_fd_remove(loop, &zeroed);
	close(regular);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(level_triggered_until_it_is_read),
		LOOP_TEST(only_what_is_wanted_is_reported),
		LOOP_TEST(a_change_of_interest_that_is_undone_costs_nothing),
		LOOP_TEST(a_hang_up_shows_as_what_is_wanted),
		LOOP_TEST(a_hang_up_that_nobody_wants_does_not_spin),
		LOOP_TEST(an_edge_is_as_good_as_a_level),
		LOOP_TEST(what_is_drained_is_reported_when_more_comes),
		LOOP_TEST(an_end_is_never_drained),
		LOOP_TEST(an_edge_that_was_not_wanted_is_not_lost),
		LOOP_TEST(a_callback_may_remove_itself_and_others),
		LOOP_TEST(a_callback_may_free_the_owner_of_everything),
		LOOP_TEST(the_same_number_for_another_socket),
		LOOP_TEST(removed_and_added_again_while_open),
		LOOP_TEST(a_stale_event_does_not_reach_the_successor),
		LOOP_TEST(many_descriptors),
		LOOP_TEST(what_epoll_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
