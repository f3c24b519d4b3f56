package org.dpo4j.model;

import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * How a model is written.
 *
 * @param dtype storage of all tensors; null: each tensor as in the file that it was loaded from, and as in memory if the
 *     model was not loaded
 * @param maxShardBytes max bytes of the tensors of a file. A larger tensor is alone in its file
 */
public record SaveFormat(@Nullable SavedDtype dtype, long maxShardBytes) {
    /** The default of transformers' {@code save_pretrained}. */
    public static final String DEFAULT_MAX_SHARD_SIZE = "50GB";

    private static final Map<String, Long> UNITS =
            Map.of("KB", 1_000L, "MB", 1_000_000L, "GB", 1_000_000_000L, "TB", 1_000_000_000_000L);
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,18}(\\.[0-9]*)?|\\.[0-9]+");

    public SaveFormat {
        if (maxShardBytes < 1) {
            throw new Dpo4jException("max_shard_size is " + maxShardBytes + " bytes; it must be 1 or more");
        }
    }

    /** Every tensor as it was, in shards of the default size. */
    public static SaveFormat unchanged() {
        return new SaveFormat(null, parseSize(DEFAULT_MAX_SHARD_SIZE));
    }

    /** The same with all tensors in float32, which holds every weight. */
    public SaveFormat inFloat32() {
        return new SaveFormat(SavedDtype.FLOAT32, maxShardBytes);
    }

    /** All tensors in one dtype, in shards of the default size. */
    public static SaveFormat in(DType dtype) {
        return new SaveFormat(SavedDtype.stored(dtype), parseSize(DEFAULT_MAX_SHARD_SIZE));
    }

    /**
     * Bytes of a size such as {@code 5GB} or {@code 500MB}, as transformers computes them: a decimal unit, and the
     * product rounded down. A whole number without unit is bytes.
     */
    public static long parseSize(String text) {
        String size = text.strip().toUpperCase(Locale.ROOT);
        Long unit = size.length() < 2 ? null : UNITS.get(size.substring(size.length() - 2));
        String number =
                unit == null ? size : size.substring(0, size.length() - 2).strip();
        if (!NUMBER.matcher(number).matches() || unit == null && number.contains(".")) {
            throw unreadable(text);
        }
        double bytes = unit == null ? Long.parseLong(number) : Double.parseDouble(number) * unit;
        if (bytes < 1 || bytes >= Long.MAX_VALUE) {
            throw unreadable(text);
        }
        return unit == null ? Long.parseLong(number) : (long) bytes;
    }

    private static Dpo4jException unreadable(String text) {
        return new Dpo4jException("max_shard_size is " + text
                + "; it must be bytes, or a number with KB, MB, GB or TB, such as 5GB, and 1 byte or more");
    }
}
