/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Hashes that are all the same: unit tests link it instead of src/cache/keyhash.c and
 * src/base/keccak.c, so that every two keys collide and only their full comparison tells them
 * apart.
 */
#include "base/keccak.h"
#include "cache/keyhash.h"
