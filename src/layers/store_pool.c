/* SPDX-License-Identifier: MIT */
#include "layers/store_pool.h"
#include "base/log.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

struct pooled {
	struct pooled *next;
	struct store *store;
	dev_t device;
	ino_t inode;
	size_t owners;
	bool has_chain;
	uint64_t chain_id;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pooled *all;

/* ~/.cache may not be there yet. A failure shows when the store makes the last folder. */
static void make_parents(char *path)
{
	for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			log_debug("a folder cannot be made", LOG_S("path", path),
				  LOG_S("cause", strerror(errno)));
		*at = '/';
	}
}

static struct pooled *find_folder(const char *folder)
{
	struct stat st;

	if (stat(folder, &st) != 0)
		return NULL;
	for (struct pooled *at = all; at != NULL; at = at->next)
		if (at->device == st.st_dev && at->inode == st.st_ino)
			return at;
	return NULL;
}

static struct pooled **find_store(const struct store *store)
{
	struct pooled **at = &all;

	while (*at != NULL && (*at)->store != store)
		at = &(*at)->next;
	REQUIRE(*at != NULL);
	return at;
}

static enum err open_new(const struct store_config *config, struct pooled **out,
			 struct err_detail *detail)
{
	struct pooled *pooled = calloc(1, sizeof *pooled);
	char *path = strdup(config->folder);
	enum err err = ERR_NOMEM;
	struct stat st;

	if (pooled == NULL || path == NULL) {
		err_set(detail, err, "out of memory");
		goto fail;
	}
	make_parents(path);
	err = store_open(config, &pooled->store, detail);
	if (err != OK)
		goto fail;
	if (stat(config->folder, &st) != 0) {
		err = err_set(detail, ERR_IO, "looking at %s: %s", config->folder,
			      strerror(errno));
		store_close(&pooled->store);
		goto fail;
	}
	free(path);
	pooled->device = st.st_dev;
	pooled->inode = st.st_ino;
	pooled->next = all;
	all = pooled;
	*out = pooled;
	return OK;
fail:
	free(path);
	free(pooled);
	return err;
}

enum err store_pool_get(const struct store_config *config, struct store **out,
			struct err_detail *detail)
{
	enum err err = OK;

	*out = NULL;
	if (*config->folder == '\0')
		return err_set(detail, ERR_CONFIG, "the cache folder has no name");
	pthread_mutex_lock(&lock);
	struct pooled *pooled = find_folder(config->folder);
	if (pooled == NULL)
		err = open_new(config, &pooled, detail);
	if (err == OK) {
		pooled->owners++;
		*out = pooled->store;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void store_pool_put(struct store **store)
{
	if (*store == NULL)
		return;
	pthread_mutex_lock(&lock);
	struct pooled **at = find_store(*store), *pooled = *at;
	if (--pooled->owners == 0) {
		*at = pooled->next;
		store_close(&pooled->store);
		free(pooled);
	}
	pthread_mutex_unlock(&lock);
	*store = NULL;
}

enum err store_pool_use_chain(struct store *store, uint64_t chain_id, struct err_detail *detail)
{
	enum err err = OK;

	pthread_mutex_lock(&lock);
	struct pooled *pooled = *find_store(store);
	/* Whoever is alone may go over to another: nobody reads yet. */
	if (pooled->has_chain && pooled->owners > 1 && pooled->chain_id != chain_id) {
		err = err_set(detail, ERR_CONFIG,
			      "the cache folder is in use by this process for chain %llu; for "
			      "chain %llu give another folder",
			      (unsigned long long)pooled->chain_id,
			      (unsigned long long)chain_id);
	} else {
		store_use_chain(store, chain_id);
		pooled->has_chain = true;
		pooled->chain_id = chain_id;
	}
	pthread_mutex_unlock(&lock);
	return err;
}
