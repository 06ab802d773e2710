# SPDX-License-Identifier: MIT
"""libforkcache as somebody else's program sees it: symbols, installation, the examples."""

import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

from harness import BUILD, SharedMock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADER = os.path.join(ROOT, "include", "forkcache.h")

PROGRAM = r"""
#include <forkcache.h>
#include <string.h>
#include <stdio.h>
/* Names that the library uses inside: they are ours here. */
int buf_init(void);
int buf_init(void) { return 7; }
int keccak256(void);
int keccak256(void) { return 8; }
int main(void) {
	struct fc_db *db;
	struct fc_state *state;
	struct fc_error why;
	struct fc_address address;
	struct fc_bytes32 slot, value;
	memset(&address, 1, sizeof address);
	memset(&slot, 2, sizeof slot);
	memset(&value, 3, sizeof value);
	if (fc_open("memory://", &db, &why) != FC_OK || fc_state_new(db, NULL, &state) != FC_OK ||
	    fc_set_storage(state, &address, &slot, &value) != FC_OK)
		return 1;
	memset(&value, 0, sizeof value);
	if (fc_get_storage(state, &address, &slot, &value) != FC_OK || value.bytes[0] != 3)
		return 1;
	fc_state_free(&state);
	printf("%s %d %d\n", fc_version(), buf_init(), keccak256());
	return fc_close(&db, &why);
}
"""


# Around the pieces of docs/library.md.
PIECE = """
#include <forkcache.h>
#include <stdio.h>
void piece(struct fc_db *db, struct fc_state *state, struct fc_error why, struct fc_address address,
	   struct fc_bytes32 slot, struct fc_bytes32 value, struct fc_op *op, fc_op_fn *on_done,
	   void *cookie, enum fc_err err);
void piece(struct fc_db *db, struct fc_state *state, struct fc_error why, struct fc_address address,
	   struct fc_bytes32 slot, struct fc_bytes32 value, struct fc_op *op, fc_op_fn *on_done,
	   void *cookie, enum fc_err err)
{
	(void)db, (void)state, (void)why, (void)address, (void)slot, (void)value, (void)op;
	(void)on_done, (void)cookie;
%s
	(void)err;
}
"""

# What callers of another language write down: size, and where the last member stands, on the
# 64-bit machines of Debian. Structs with a size of their own may only grow behind it.
LAYOUT = {
    "fc_address": (20, "bytes", 0),
    "fc_bytes32": (32, "bytes", 0),
    "fc_error": (516, "detail", 4),
    "fc_layer": (144, "keep_empty_accounts", 140),
    "fc_block": (88, "state_root", 56),
    "fc_cache_stats": (40, "capacity_bytes", 32),
    "fc_stats": (216, "conflicts", 208),
    "fc_state_options": (24, "reads_max", 16),
    "fc_account": (112, "storage_root", 80),
    "fc_read": (232, "proof", 224),
    "fc_access": (40, "slots_n", 32),
    "fc_op_options": (16, "try_only", 12),
    "fc_need": (56, "slot", 24),
    "fc_progress": (24, "codes", 16),
}


def run(*args, **more):
    return subprocess.run(args, check=True, capture_output=True, text=True, **more).stdout


def declared():
    """The functions of the header."""
    with open(HEADER) as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    return set(re.findall(r"^FC_(?:API|CHECKED)[^;(]*?\b(fc_\w+)\(", text, flags=re.M))


def defined(*nm):
    """Names that a program which links this would see."""
    return {line.split()[-1] for line in run("nm", *nm).splitlines() if len(line.split()) == 3}


def flags():
    with open(os.path.join(BUILD, "flags")) as file:
        return file.read().split()


class Documents(unittest.TestCase):
    def test_the_pieces_of_the_page_compile(self):
        with open(os.path.join(ROOT, "docs", "library.md")) as file:
            pieces = re.findall(r"^```c\n(.*?)^```", file.read(), flags=re.S | re.M)
        self.assertGreater(len(pieces), 4)
        for piece in pieces:
            with self.subTest(piece):
                run("gcc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
                    "-I", os.path.dirname(HEADER), "-", input=PIECE % piece)

    def test_the_page_names_functions_that_there_are(self):
        with open(os.path.join(ROOT, "docs", "library.md")) as file:
            named = set(re.findall(r"`(fc_\w+)`", file.read()))
        self.assertEqual(named - declared(), set())


class Symbols(unittest.TestCase):
    def test_the_header_declares_functions(self):
        self.assertGreater(len(declared()), 70)
        self.assertIn("fc_get_storage", declared())

    @unittest.skipIf(any(f.startswith("-fsanitize") for f in flags()), "sanitizers add their own")
    def test_what_the_header_declares_is_what_there_is(self):
        shared = defined("-D", "--defined-only", os.path.join(BUILD, "libforkcache.so"))
        self.assertEqual(shared, declared())
        archive = defined("-g", "--defined-only", os.path.join(BUILD, "libforkcache.a"))
        self.assertEqual(archive, declared())

    @unittest.skipUnless(struct.calcsize("P") == 8, "written down for 64 bits")
    def test_the_layout_that_programs_remember(self):
        with open(HEADER) as file:
            self.assertEqual(set(re.findall(r"^struct (\w+) \{", file.read(), flags=re.M)),
                             set(LAYOUT))
        checks = ["#include <forkcache.h>",
                  '_Static_assert(sizeof(enum fc_err) == sizeof(int), "enums are ints");']
        for name, (size, last, offset) in LAYOUT.items():
            checks.append('_Static_assert(sizeof(struct %s) == %d && '
                          'offsetof(struct %s, %s) == %d, "%s");'
                          % (name, size, name, last, offset, name))
        run("gcc", "-fsyntax-only", "-x", "c", "-I", os.path.dirname(HEADER), "-",
            input="\n".join(checks) + "\n")

    def test_the_header_is_of_any_standard(self):
        for compiler in ("gcc -std=c99", "gcc -std=c11", "clang -std=c99", "g++ -std=c++11"):
            command, standard = compiler.split()
            if shutil.which(command):
                with self.subTest(compiler):
                    run(command, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                        "-fsyntax-only", "-x", "c++" if "+" in command else "c",
                        "-I", os.path.dirname(HEADER), "-", input="#include <forkcache.h>\n")

    def test_the_name_that_programs_remember(self):
        dynamic = run("readelf", "-d", os.path.join(BUILD, "libforkcache.so"))
        self.assertIn("[libforkcache.so.0]", dynamic)
        for server in ("cyaml", "jansson", "libz.so"):
            self.assertNotIn(server, dynamic)


@unittest.skipIf(any(f.startswith("-fsanitize") for f in flags()), "the release library")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="forkcache-install-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.root = os.path.join(cls.folder, "root")
        run("make", "install-library", "DESTDIR=" + cls.root, "PREFIX=/opt/fc",
            "LIBDIR=/opt/fc/lib64", cwd=ROOT)
        cls.libdir = os.path.join(cls.root, "opt/fc/lib64")
        cls.env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(cls.libdir, "pkgconfig"),
                       PKG_CONFIG_SYSROOT_DIR=cls.root)
        cls.source = os.path.join(cls.folder, "program.c")
        with open(cls.source, "w") as file:
            file.write(PROGRAM)

    def pkg_config(self, *args):
        return run("pkg-config", *args, "forkcache", env=self.env).split()

    def compiled(self, name, *link, compiler="gcc", source=None):
        program = os.path.join(self.folder, name)
        run(compiler, "-Wall", "-Wextra", "-Werror", *self.pkg_config("--cflags"),
            source or self.source, "-o", program, *link, cwd=self.folder)
        return program

    def test_a_program_with_the_shared_library(self):
        program = self.compiled("shared", *self.pkg_config("--libs"))
        said = run(program, env=dict(os.environ, LD_LIBRARY_PATH=self.libdir))
        self.assertEqual(said, self.pkg_config("--modversion")[0] + " 7 8\n")
        self.assertIn("libforkcache.so.0", run("readelf", "-d", program))

    def test_a_program_with_the_archive(self):
        program = self.compiled("archive", "-Wl,--as-needed", self.libdir + "/libforkcache.a",
                                *self.pkg_config("--static", "--libs"))
        self.assertEqual(run(program), self.pkg_config("--modversion")[0] + " 7 8\n")
        self.assertNotIn("libforkcache.so", run("readelf", "-d", program))

    def test_a_checked_result_may_not_be_dropped(self):
        source = os.path.join(self.folder, "careless.c")
        with open(source, "w") as file:
            file.write('#include <forkcache.h>\nvoid f(struct fc_state *s);\n'
                       'void f(struct fc_state *s) { fc_flush(s); }\nint main(void) {}\n')
        with self.assertRaises(subprocess.CalledProcessError) as failed:
            self.compiled("careless", source=source)
        self.assertIn("unused-result", failed.exception.stderr)

    @unittest.skipUnless(shutil.which("g++"), "g++ is not here")
    def test_the_header_is_also_that_of_a_cpp_program(self):
        source = os.path.join(self.folder, "program.cc")
        with open(source, "w") as file:
            file.write('#include <forkcache.h>\n'
                       'int main() { return fc_version()[0] == 0; }\n')
        program = self.compiled("cpp", *self.pkg_config("--libs"), compiler="g++", source=source)
        run(program, env=dict(os.environ, LD_LIBRARY_PATH=self.libdir))


class Examples(SharedMock):
    def example(self, name, *args):
        return subprocess.run([os.path.join(BUILD, "examples", name), *args],
                              capture_output=True, text=True)

    def test_fork_slot(self):
        done = self.example("fork_slot", self.node.url, self.s["reader"], "0x1")
        self.assertEqual((done.stdout, done.stderr), (self.slot(1) + "\n", ""))
        self.assertEqual(done.returncode, 0)

    def test_fork_slot_says_what_failed(self):
        self.node.fault("http", status=403, method="eth_getStorageAt")
        self.node.fault("http", status=403, method="eth_getStorageValues")
        done = self.example("fork_slot", self.node.url, self.s["reader"], "0x1")
        self.assertEqual((done.stdout, done.returncode), ("", 1))
        self.assertIn("permission denied: slot 0x" + 63 * "0" + "1 of " + self.s["reader"].lower(),
                      done.stderr)
        self.assertEqual(self.example("fork_slot", self.node.url, "nonsense", "1").returncode, 2)

    def test_fork_slot_without_a_node(self):
        done = self.example("fork_slot", "http://127.0.0.1:1", self.s["reader"], "0x1")
        self.assertEqual((done.stdout, done.returncode), ("", 1))
        self.assertIn("connection refused", done.stderr)

    def test_resumable(self):
        number = lambda slot: int(self.slot(slot), 16) & (1 << 64) - 1
        expected = (number(number(3) % 16) + 1) & (1 << 64) - 1
        done = self.example("resumable", self.node.url, self.s["reader"])
        trips = 2 if number(3) % 16 not in (1, 2, 3) else 1
        self.assertEqual((done.stdout, done.stderr),
                         ("%d after %d round trips\n" % (expected, trips), ""))
        self.assertEqual(done.returncode, 0)

    def test_snapshot_harness(self):
        done = self.example("snapshot_harness")
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout, "ok: a transfer moves tokens\n"
                         "ok: a call that reverts changes nothing\n"
                         "ok: self-destruct takes the storage\n")
        self.assertEqual(done.returncode, 0)
