// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Types from BTF. libbpf parses it; what is added is a hash of the names (btf__find_by_name() goes
 * through all 100,000 types for each), member paths, and care: the bytes come from a dump, so any
 * chain of types may be a cycle and any id or name may be missing.
 */
#include "kernel/types.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/internal.h"

#define BTF_SIZE_MAX (256u << 20)
#define TYPE_CHAIN_MAX 32  /* typedefs, qualifiers and arrays in a row */
#define NESTING_MAX 16	   /* structs inside structs */
#define VISITS_MAX 200000u /* members looked at for one question */
#define WALK_ARRAY_MAX 64u /* elements of an array that a walk enters */

struct enumerator {
	uint32_t type_id, index, next;
};

struct types {
	struct btf *btf;
	const struct types *base;
	uint32_t first_id, n; /* ids first_id .. n - 1 are this one's own */

	/* Chains by name hash: ids; @next is by id - first_id, and one type is in one chain only.
	 */
	uint32_t mask, *heads, *next;
	uint32_t *function_heads; /* built when asked for the first time */
	uint32_t *enum_heads;	  /* index + 1 in @enumerators, the same */
	struct enumerator *enumerators;

	struct types *modules; /* of the kernel's types: those loaded for modules */
	struct types *next_module;
	uint64_t module_address; /* of a module's types: its struct module */
};

static const struct btf_type *type_at(const struct types *types, uint32_t id)
{
	return btf__type_by_id(types->btf, id);
}

static const char *name_at(const struct types *types, uint32_t offset)
{
	const char *name = btf__name_by_offset(types->btf, offset);

	return name ? name : "";
}

static uint32_t hash_string(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h ^ h >> 15;
}

static bool is_named_type(const struct btf_type *t)
{
	return btf_is_composite(t) || btf_is_typedef(t) || btf_is_any_enum(t) || btf_is_int(t);
}

static bool is_function(const struct btf_type *t)
{
	return btf_is_func(t);
}

/* Chains all types of a kind, in ascending order of id. */
static uint32_t *chain_names(struct types *types, bool (*wanted)(const struct btf_type *t))
{
	uint32_t *heads = calloc(types->mask + 1, sizeof(*heads));

	if (!heads)
		return NULL;
	for (uint32_t id = types->n; id-- > types->first_id;) {
		const struct btf_type *t = type_at(types, id);
		uint32_t *head;

		if (!t || !t->name_off || !wanted(t))
			continue;
		head = &heads[hash_string(name_at(types, t->name_off)) & types->mask];
		types->next[id - types->first_id] = *head;
		*head = id;
	}
	return heads;
}

/* What btf__new() trusts and a dump must not be trusted with. */
static bool header_is_sane(const void *data, size_t size)
{
	struct btf_header h;

	if (size < sizeof(h) || size > BTF_SIZE_MAX)
		return false;
	memcpy(&h, data, sizeof(h));
	return h.magic == BTF_MAGIC && h.version == BTF_VERSION && h.hdr_len >= sizeof(h) &&
	       h.hdr_len <= size && h.type_off % 4 == 0 &&
	       (uint64_t)h.hdr_len + h.type_off + h.type_len <= size &&
	       (uint64_t)h.hdr_len + h.str_off + h.str_len <= size;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/*
 * btf__new_split() is declared but not exported before libbpf 1.6; what is exported reads a file.
 * libbpf_get_error() of the result says how it went.
 */
static struct btf *new_split(const void *data, size_t size, struct btf *base)
{
	int fd = memfd_create("btf", MFD_CLOEXEC);
	struct btf *btf = NULL;
	char path[32];

	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size)
		btf = btf__parse_raw_split(path, base);
	close(fd);
	return btf;
}

int types_new(const void *data, size_t size, const struct types *base, struct types **ret_types)
{
	libbpf_print_fn_t print;
	struct types *types;
	uint32_t buckets = 256;

	if (!header_is_sane(data, size))
		return -EBADMSG;
	types = calloc(1, sizeof(*types));
	if (!types)
		return -ENOMEM;
	/* libbpf writes about bad BTF to stderr; a library says it to its caller. */
	print = libbpf_set_print(quiet);
	types->btf = base ? new_split(data, size, base->btf) : btf__new(data, (uint32_t)size);
	libbpf_set_print(print);
	if (!types->btf || libbpf_get_error(types->btf)) {
		free(types);
		return -EBADMSG;
	}
	types->base = base;
	types->n = btf__type_cnt(types->btf);
	types->first_id = base ? base->n : 1;
	while (buckets < types->n / 2 && buckets < 1u << 16)
		buckets *= 2;
	types->mask = buckets - 1;
	types->next = calloc(types->n - types->first_id + 1, sizeof(*types->next));
	if (types->next)
		types->heads = chain_names(types, is_named_type);
	if (!types->heads) {
		types_free(types);
		return -ENOMEM;
	}
	*ret_types = types;
	return 0;
}

void types_free(struct types *types)
{
	if (!types)
		return;
	while (types->modules) {
		struct types *module = types->modules;

		types->modules = module->next_module;
		types_free(module);
	}
	btf__free(types->btf);
	free(types->heads);
	free(types->next);
	free(types->function_heads);
	free(types->enum_heads);
	free(types->enumerators);
	free(types);
}

static int read_btf(struct kernel *kernel, uint64_t start, uint64_t size, const struct types *base,
		    struct types **ret_types)
{
	void *data;
	int r;

	if (size > BTF_SIZE_MAX)
		return -EBADMSG;
	data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	r = kernel_read(kernel, start, data, size);
	if (r == 0)
		r = types_new(data, size, base, ret_types);
	free(data);
	return r;
}

int types_load(struct kernel *kernel)
{
	struct types *types;
	uint64_t start, stop;
	int r;

	if (kernel_symbol(kernel, "__start_BTF", &start) < 0 ||
	    kernel_symbol(kernel, "__stop_BTF", &stop) < 0 || stop <= start) {
		msgs_add(kernel->msgs, "types: the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
		return -ENOENT;
	}
	r = read_btf(kernel, start, stop - start, NULL, &types);
	if (r < 0) {
		msgs_add(kernel->msgs, "types: BTF at 0x%llx: %s", (unsigned long long)start,
			 r == -EBADMSG ? "damaged" : strerror(-r));
		return r;
	}
	types_free(kernel->types);
	kernel->types = types;
	return 0;
}

int types_module(struct kernel *kernel, const struct module *module, const struct types **ret_types)
{
	struct types *types;
	uint64_t va, size;
	int r;

	if (!kernel->types)
		return -ENOENT;
	for (types = kernel->types->modules; types; types = types->next_module) {
		if (types->module_address == module->address) {
			*ret_types = types;
			return 0;
		}
	}
	r = module_btf_find(kernel, module, &va, &size);
	if (r < 0)
		return r;
	r = read_btf(kernel, va, size, kernel->types, &types);
	if (r < 0) {
		msgs_add(kernel->msgs, "types: BTF of module %s: %s", module->name,
			 r == -EBADMSG ? "damaged" : strerror(-r));
		return r;
	}
	types->module_address = module->address;
	types->next_module = kernel->types->modules;
	kernel->types->modules = types;
	*ret_types = types;
	return 0;
}

/* Past qualifiers and typedefs. NULL for void, for a broken chain and for an endless one. */
static const struct btf_type *strip(const struct types *types, uint32_t id, uint32_t *ret_id)
{
	for (int i = 0; i < TYPE_CHAIN_MAX; i++) {
		const struct btf_type *t = type_at(types, id);

		if (!t || !id)
			return NULL;
		if (!btf_is_mod(t) && !btf_is_typedef(t)) {
			*ret_id = id;
			return t;
		}
		id = t->type;
	}
	return NULL;
}

static int size_of(const struct types *types, uint32_t id, uint64_t *ret_size)
{
	int64_t size = btf__resolve_size(types->btf, id);

	if (size < 0)
		return -ENOENT;
	*ret_size = (uint64_t)size;
	return 0;
}

/*
 * Ids of the types called @name, one after the other, the module's own first: 0 starts, 0 ends.
 * Names repeat: a struct of one .c file, a struct and a typedef.
 */
static uint32_t next_named(const struct types **types, const char *name, uint32_t id)
{
	const struct types *t = *types;

	for (;;) {
		if (id)
			id = t->next[id - t->first_id];
		else
			id = t->heads[hash_string(name) & t->mask];
		while (id && strcmp(name, name_at(t, type_at(t, id)->name_off)) != 0)
			id = t->next[id - t->first_id];
		if (id || !t->base)
			return id;
		*types = t = t->base;
	}
}

int types_size(const struct types *types, const char *type, uint64_t *ret_size)
{
	uint32_t id = 0;

	while (types && (id = next_named(&types, type, id)))
		if (size_of(types, id, ret_size) == 0)
			return 0;
	return -ENOENT;
}

int64_t types_offset(const struct types *types, const char *type, const char *path)
{
	struct member m;

	return types_member(types, type, path, &m) == 0 ? (int64_t)m.offset : -1;
}

/* A place inside an outer type, while a path is followed. */
struct place {
	uint32_t type_id;
	uint64_t bit_offset;
	uint8_t bit_size; /* 0: not a bit-field */
};

/* The width in bits of member @m when it is a bit-field, else 0; moves @bits to its first bit. */
static uint8_t bitfield_size(const struct types *types, const struct btf_type *t, uint32_t i,
			     uint64_t *bits)
{
	const struct btf_member *m = btf_members(t) + i;
	const struct btf_type *mt;
	uint32_t id;

	*bits += btf_member_bit_offset(t, i);
	if (btf_kflag(t))
		return (uint8_t)btf_member_bitfield_size(t, i);
	/* Without kind_flag the width is the integer type's own. */
	mt = strip(types, m->type, &id);
	if (!mt || !btf_is_int(mt) || btf_int_bits(mt) == mt->size * 8)
		return 0;
	*bits += btf_int_offset(mt);
	return btf_int_bits(mt);
}

/* Finds @name of @len in struct @t, through members without names. */
static int find_member(const struct types *types, const struct btf_type *t, const char *name,
		       size_t len, int depth, unsigned int *visits, struct place *place)
{
	uint64_t outer = place->bit_offset;

	for (uint32_t i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = btf_members(t) + i;
		const char *s = name_at(types, m->name_off);
		const struct btf_type *inner;
		uint32_t id;

		if (++*visits > VISITS_MAX)
			return -ELOOP;
		if (s[0]) {
			if (strncmp(s, name, len) != 0 || s[len])
				continue;
			place->bit_offset = outer;
			place->bit_size = bitfield_size(types, t, i, &place->bit_offset);
			place->type_id = m->type;
			return 0;
		}
		inner = strip(types, m->type, &id);
		if (!inner || !btf_is_composite(inner) || depth >= NESTING_MAX)
			continue;
		place->bit_offset = outer + btf_member_bit_offset(t, i);
		if (find_member(types, inner, name, len, depth + 1, visits, place) == 0)
			return 0;
	}
	return -ENOENT;
}

/* "[3]" at *@path: goes to that element of the array at @place. */
static int find_element(const struct types *types, const char **path, struct place *place)
{
	const struct btf_type *t;
	const struct btf_array *a;
	uint64_t index, size, bits;
	uint32_t id;
	char *end;

	if ((*path)[1] < '0' || (*path)[1] > '9')
		return -EINVAL;
	index = strtoull(*path + 1, &end, 10);
	if (*end != ']')
		return -EINVAL;
	*path = end + 1;
	t = strip(types, place->type_id, &id);
	if (!t || !btf_is_array(t))
		return -ENOENT;
	a = btf_array(t);
	/* 0 elements: a flexible array, as long as its owner says. */
	if (a->nelems && index >= a->nelems)
		return -ENOENT;
	if (size_of(types, a->type, &size) < 0 || __builtin_mul_overflow(size, index, &bits) ||
	    __builtin_mul_overflow(bits, 8, &bits) ||
	    __builtin_add_overflow(place->bit_offset, bits, &place->bit_offset))
		return -ENOENT;
	place->type_id = a->type;
	return 0;
}

static int follow_path(const struct types *types, const char *path, struct place *place)
{
	unsigned int visits = 0;
	int r = 0;

	while (*path && r == 0) {
		const struct btf_type *t;
		size_t len;
		uint32_t id;

		if (*path == '[') {
			r = find_element(types, &path, place);
			continue;
		}
		if (*path == '.')
			path++;
		len = strcspn(path, ".[");
		t = strip(types, place->type_id, &id);
		if (!len || place->bit_size)
			return -EINVAL;
		if (!t || !btf_is_composite(t))
			return -ENOENT;
		r = find_member(types, t, path, len, 0, &visits, place);
		path += len;
	}
	return r;
}

int types_member(const struct types *types, const char *type, const char *path,
		 struct member *ret_member)
{
	uint32_t id = 0;

	while (types && (id = next_named(&types, type, id))) {
		struct place place = { .type_id = id };
		uint64_t size;
		uint32_t stripped = 0;

		if (follow_path(types, path, &place) < 0)
			continue;
		if (size_of(types, place.type_id, &size) < 0)
			size = 0;
		strip(types, place.type_id, &stripped);
		*ret_member = (struct member){
			.offset = place.bit_offset / 8,
			.bit_offset = place.bit_offset % 8,
			.bit_size = place.bit_size,
			.size = size,
			.type_id = stripped,
		};
		return 0;
	}
	return -ENOENT;
}

static int load_enumerators(struct types *types)
{
	uint32_t n = 0, *heads;
	struct enumerator *list;

	for (uint32_t id = types->first_id; id < types->n; id++)
		if (btf_is_any_enum(type_at(types, id)))
			n += btf_vlen(type_at(types, id));
	list = calloc(n ? n : 1, sizeof(*list));
	heads = calloc(types->mask + 1, sizeof(*heads));
	if (!list || !heads) {
		free(list);
		free(heads);
		return -ENOMEM;
	}
	n = 0;
	for (uint32_t id = types->first_id; id < types->n; id++) {
		const struct btf_type *t = type_at(types, id);

		for (uint32_t i = 0; btf_is_any_enum(t) && i < btf_vlen(t); i++) {
			uint32_t name = btf_is_enum(t) ? btf_enum(t)[i].name_off
						       : btf_enum64(t)[i].name_off;
			uint32_t *head = &heads[hash_string(name_at(types, name)) & types->mask];

			list[n] = (struct enumerator){ .type_id = id, .index = i, .next = *head };
			*head = ++n;
		}
	}
	types->enumerators = list;
	types->enum_heads = heads;
	return 0;
}

int types_enum(const struct types *types, const char *name, int64_t *ret_value)
{
	for (; types; types = types->base) {
		/* The lazy tables are a cache, not a change of what is const. */
		if (!types->enum_heads && load_enumerators((struct types *)types) < 0)
			return -ENOENT;
		for (uint32_t i = types->enum_heads[hash_string(name) & types->mask]; i;
		     i = types->enumerators[i - 1].next) {
			const struct enumerator *e = &types->enumerators[i - 1];
			const struct btf_type *t = type_at(types, e->type_id);
			bool small = btf_is_enum(t);
			uint32_t name_off = small ? btf_enum(t)[e->index].name_off
						  : btf_enum64(t)[e->index].name_off;

			if (strcmp(name, name_at(types, name_off)) != 0)
				continue;
			if (!small)
				*ret_value = (int64_t)btf_enum64_value(btf_enum64(t) + e->index);
			/* kind_flag: signed, since 6.0 (6089fb325cf7); all were signed before. */
			else
				*ret_value = btf_enum(t)[e->index].val;
			return 0;
		}
	}
	return -ENOENT;
}

/* The name that the source spells for type @id: past qualifiers and arrays, not past typedefs. */
static const char *spelled_name(const struct types *types, uint32_t id)
{
	for (int i = 0; i < TYPE_CHAIN_MAX; i++) {
		const struct btf_type *t = type_at(types, id);

		if (!t || !id)
			return "";
		if (btf_is_mod(t))
			id = t->type;
		else if (btf_is_array(t))
			id = btf_array(t)->type;
		else if (btf_is_ptr(t))
			return "";
		else
			return name_at(types, t->name_off);
	}
	return "";
}

struct walk {
	const struct types *types;
	int (*fn)(void *arg, const char *path, const char *type_name, uint64_t offset);
	void *arg;
	unsigned int visits;
	char path[256];
};

static int walk_type(struct walk *walk, uint32_t id, size_t len, uint64_t offset, int depth);

/* A member's elements, when it is an array of structs. */
static int walk_array(struct walk *walk, const struct btf_array *array, size_t len, uint64_t offset,
		      int depth)
{
	const struct btf_type *t;
	uint64_t size;
	uint32_t id;
	int r = 0;

	t = strip(walk->types, array->type, &id);
	if (!t || !btf_is_composite(t) || size_of(walk->types, id, &size) < 0)
		return 0;
	for (uint32_t i = 0; i < array->nelems && i < WALK_ARRAY_MAX && r == 0; i++) {
		int n = snprintf(walk->path + len, sizeof(walk->path) - len, "[%u]", i);

		if (n < 0 || (size_t)n >= sizeof(walk->path) - len)
			break;
		r = walk->fn(walk->arg, walk->path, spelled_name(walk->types, array->type),
			     offset + i * size);
		if (r == 0)
			r = walk_type(walk, id, len + (size_t)n, offset + i * size, depth + 1);
	}
	return r;
}

static int walk_member(struct walk *walk, const struct btf_type *t, uint32_t i, size_t len,
		       uint64_t offset, int depth)
{
	const struct btf_member *m = btf_members(t) + i;
	const char *name = name_at(walk->types, m->name_off);
	const struct btf_type *inner;
	uint32_t id;
	int r;

	offset += btf_member_bit_offset(t, i) / 8;
	inner = strip(walk->types, m->type, &id);
	if (name[0]) {
		int n = snprintf(walk->path + len, sizeof(walk->path) - len, "%s%s", len ? "." : "",
				 name);

		/* Deeper than any real name: not worth an error. */
		if (n < 0 || (size_t)n >= sizeof(walk->path) - len)
			return 0;
		len += (size_t)n;
		r = walk->fn(walk->arg, walk->path, spelled_name(walk->types, m->type), offset);
		if (r)
			return r;
	}
	if (inner && btf_is_array(inner))
		return walk_array(walk, btf_array(inner), len, offset, depth);
	if (inner && btf_is_composite(inner))
		return walk_type(walk, id, len, offset, depth + 1);
	return 0;
}

static int walk_type(struct walk *walk, uint32_t id, size_t len, uint64_t offset, int depth)
{
	const struct btf_type *t = type_at(walk->types, id);
	int r = 0;

	if (depth > NESTING_MAX)
		return 0;
	for (uint32_t i = 0; i < btf_vlen(t) && r == 0; i++) {
		if (++walk->visits > VISITS_MAX)
			return 0;
		r = walk_member(walk, t, i, len, offset, depth);
		walk->path[len] = 0;
	}
	return r;
}

int types_walk(const struct types *types, const char *type,
	       int (*fn)(void *arg, const char *path, const char *type_name, uint64_t offset),
	       void *arg)
{
	uint32_t id = 0, stripped;

	while (types && (id = next_named(&types, type, id))) {
		struct walk walk = { .types = types, .fn = fn, .arg = arg };
		const struct btf_type *t = strip(types, id, &stripped);

		if (t && btf_is_composite(t))
			return walk_type(&walk, stripped, 0, 0, 0);
	}
	return -ENOENT;
}

/* The prototype of @function, also of what the compiler split off it ("f.isra.0", "f.cold"). */
static const struct btf_type *find_prototype(const struct types **types, const char *function)
{
	char name[256];
	size_t len = strcspn(function, ".");

	if (len >= sizeof(name))
		return NULL;
	memcpy(name, function, len);
	name[len] = 0;
	for (const struct types *t = *types; t; t = t->base) {
		struct types *lazy = (struct types *)t;
		uint32_t id;

		if (!t->function_heads)
			lazy->function_heads = chain_names(lazy, is_function);
		if (!t->function_heads)
			return NULL;
		for (id = t->function_heads[hash_string(name) & t->mask]; id;
		     id = t->next[id - t->first_id]) {
			const struct btf_type *f = type_at(t, id), *proto;

			if (strcmp(name, name_at(t, f->name_off)) != 0)
				continue;
			proto = type_at(t, f->type);
			if (!proto || !btf_is_func_proto(proto))
				continue;
			*types = t;
			return proto;
		}
	}
	return NULL;
}

int types_function_params(const struct types *types, const char *function,
			  struct function_param *params, size_t max, size_t *ret_n)
{
	const struct btf_type *proto = types ? find_prototype(&types, function) : NULL;
	size_t n;

	if (!proto)
		return -ENOENT;
	n = btf_vlen(proto);
	for (size_t i = 0; i < n && i < max; i++) {
		const struct btf_param *p = btf_params(proto) + i;
		uint32_t id = p->type;
		const struct btf_type *t = strip(types, id, &id);

		params[i] = (struct function_param){ .name = name_at(types, p->name_off) };
		params[i].pointer = t && btf_is_ptr(t);
		params[i].type_name = spelled_name(types, params[i].pointer ? t->type : p->type);
	}
	*ret_n = n;
	return 0;
}

size_t member_span(const struct member *m)
{
	if (m->bit_offset > 7 || m->bit_size > 64)
		return 0;
	if (m->bit_size)
		return (m->bit_offset + m->bit_size + 7u) / 8;
	return m->size <= 8 ? m->size : 0;
}

uint64_t member_value(const struct member *m, const void *bytes)
{
	uint64_t low = 0, high = 0;
	size_t size = member_span(m);

	/* A bit-field of 58 bits or more may begin in one word and end in the next. */
	memcpy(&low, bytes, size < 8 ? size : 8);
	if (size > 8)
		memcpy(&high, (const char *)bytes + 8, size - 8);
	if (m->bit_offset)
		low = low >> m->bit_offset | high << (64 - m->bit_offset);
	if (m->bit_size && m->bit_size < 64)
		low &= (1ULL << m->bit_size) - 1;
	return low;
}

int kernel_read_member(struct kernel *kernel, uint64_t va, const struct member *m,
		       uint64_t *ret_value)
{
	uint8_t bytes[16];
	int r;

	if (!member_span(m))
		return -EINVAL;
	r = kernel_read(kernel, va + m->offset, bytes, member_span(m));
	if (r < 0)
		return r;
	*ret_value = member_value(m, bytes);
	return 0;
}
