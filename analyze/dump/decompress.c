// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include <libdeflate.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "dump/internal.h"

void decompress_done(struct decompress *dc)
{
	if (dc->deflate)
		libdeflate_free_decompressor(dc->deflate);
	ZSTD_freeDCtx(dc->zstd);
	*dc = (struct decompress){ 0 };
}

static int zlib_page(struct decompress *dc, const void *in, size_t in_len, void *out,
		     size_t out_len)
{
	uLongf n = out_len;

	if (!dc->deflate)
		dc->deflate = libdeflate_alloc_decompressor();
	/* Without ret_len, libdeflate takes nothing but a result of just out_len bytes. */
	if (dc->deflate && libdeflate_zlib_decompress(dc->deflate, in, in_len, out, out_len,
						      NULL) == LIBDEFLATE_SUCCESS)
		return 0;
	if (uncompress(out, &n, in, in_len) != Z_OK || n != out_len)
		return -EIO;
	return 0;
}

static int lzo_page(struct decompress *dc, const void *in, size_t in_len, void *out, size_t out_len)
{
	lzo_uint n = out_len;

	if (!dc->lzo_ready && lzo_init() != LZO_E_OK)
		return -EIO;
	dc->lzo_ready = true;
	if (lzo1x_decompress_safe(in, in_len, out, &n, NULL) != LZO_E_OK || n != out_len)
		return -EIO;
	return 0;
}

static int snappy_page(const void *in, size_t in_len, void *out, size_t out_len)
{
	size_t n;

	if (snappy_uncompressed_length(in, in_len, &n) != SNAPPY_OK || n != out_len)
		return -EIO;
	if (snappy_uncompress(in, in_len, out, &n) != SNAPPY_OK || n != out_len)
		return -EIO;
	return 0;
}

static int zstd_page(struct decompress *dc, const void *in, size_t in_len, void *out,
		     size_t out_len)
{
	if (!dc->zstd)
		dc->zstd = ZSTD_createDCtx();
	if (!dc->zstd)
		return -ENOMEM;
	return ZSTD_decompressDCtx(dc->zstd, out, out_len, in, in_len) == out_len ? 0 : -EIO;
}

int decompress_page(struct decompress *dc, unsigned int method, const void *in, size_t in_len,
		    void *out, size_t out_len)
{
	switch (method) {
	case COMPRESSION_ZLIB:
		return zlib_page(dc, in, in_len, out, out_len);
	case COMPRESSION_LZO:
		return lzo_page(dc, in, in_len, out, out_len);
	case COMPRESSION_SNAPPY:
		return snappy_page(in, in_len, out, out_len);
	case COMPRESSION_ZSTD:
		return zstd_page(dc, in, in_len, out, out_len);
	default:
		return -ENOTSUP;
	}
}
