/* SPDX-License-Identifier: MIT */
#include "cache/store_impl.h"
#include <errno.h>

enum err err_from_lmdb(int rc, const char *doing, const char *folder, struct err_detail *detail)
{
	switch (rc) {
	case 0:
		return OK;
	case ENOMEM:
		return err_set(detail, ERR_NOMEM, "%s %s: no memory", doing, folder);
	case MDB_NOTFOUND:
		return err_set(detail, ERR_NOT_FOUND, "%s %s: not found", doing, folder);
	case MDB_MAP_FULL:
	case MDB_READERS_FULL:
	case MDB_TXN_FULL:
	case MDB_DBS_FULL:
	case MDB_MAP_RESIZED:
		return err_set(detail, ERR_LIMIT, "%s %s: %s", doing, folder, mdb_strerror(rc));
	case EBUSY:
		return err_set(detail, ERR_LIMIT,
			       "%s %s: a reader holds the pages that are free", doing, folder);
	case MDB_VERSION_MISMATCH:
		return err_set(detail, ERR_UNSUPPORTED,
			       "%s %s: made by another version of LMDB", doing, folder);
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
		return err_set(detail, ERR_CORRUPT,
			       "%s %s: the cache is damaged (%s); it holds nothing that "
			       "cannot be fetched again: remove the folder %s",
			       doing, folder, mdb_strerror(rc), folder);
	default:
		return err_set(detail, ERR_IO, "%s %s: %s", doing, folder, mdb_strerror(rc));
	}
}
