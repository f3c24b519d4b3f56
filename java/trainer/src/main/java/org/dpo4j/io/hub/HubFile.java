package org.dpo4j.io.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.regex.Pattern;
import org.dpo4j.io.Sha256;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A file of a commit, as the hub lists it.
 *
 * @param path its name in the repository, with slashes
 * @param blob SHA-1 of git's object, which for a large file is a pointer to it
 * @param sha256 hash of the content of a large file; null for a file that git itself holds
 * @param xet hash of the hub's other storage; null: none. It is kept for huggingface_hub, which reads it
 */
record HubFile(
        String path,
        long bytes,
        String blob,
        @Nullable String sha256,
        @Nullable String xet) {
    private static final Pattern SHA1 = Pattern.compile("[0-9a-f]{40}");
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

    /** Throws if the values could name files outside of the cache, or cannot be compared with a file. */
    HubFile {
        if (!SafePath.isRelative(path)) {
            throw new Dpo4jException("the hub lists a file named \"" + path
                    + "\", which could be outside of the repository; nothing of it is downloaded");
        }
        boolean isHashed = SHA1.matcher(blob).matches()
                && (sha256 == null || SHA256.matcher(sha256).matches())
                && (xet == null || SHA256.matcher(xet).matches());
        if (bytes < 0 || !isHashed) {
            throw new Dpo4jException(
                    "the hub lists " + path + " without a size or a hash that can be checked;" + " check HF_ENDPOINT");
        }
    }

    /** Reads an entry of the API {@code tree}. */
    static HubFile parse(JsonNode entry) {
        JsonNode large = entry.path("lfs");
        boolean isLarge = large.isObject();
        return new HubFile(
                entry.path("path").asText(),
                (isLarge ? large : entry).path("size").asLong(-1),
                entry.path("oid").asText(),
                isLarge ? large.path("oid").asText() : null,
                text(entry.path("xetHash")));
    }

    /** Reads an entry of a listing on the disk. */
    static HubFile read(String path, JsonNode entry) {
        String sha256 = text(entry.path("lfs_sha256"));
        return new HubFile(
                path,
                entry.path(sha256 == null ? "size" : "lfs_size").asLong(-1),
                entry.path("blob_id").asText(),
                sha256,
                text(entry.path("xet_hash")));
    }

    private static @Nullable String text(JsonNode value) {
        return value.isTextual() ? value.asText() : null;
    }

    /** Writes the entry of a listing on the disk, with the keys of huggingface_hub/_tree_cache.py. */
    void write(ObjectNode entry) {
        entry.put("size", bytes).put("blob_id", blob);
        if (sha256 != null) {
            entry.put("lfs_sha256", sha256).put("lfs_size", bytes);
        }
        if (xet != null) {
            entry.put("xet_hash", xet);
        }
    }

    /** The name of its content in the cache, which is the tag that the hub sends with it. */
    String tag() {
        return sha256 == null ? blob : sha256;
    }

    /** A digest whose result, after it has received the content, is {@link #tag}. */
    MessageDigest digest() {
        if (sha256 != null) {
            return Sha256.digest();
        }
        try {
            MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
            sha1.update(("blob " + bytes + "\0").getBytes(StandardCharsets.US_ASCII)); // git's header of a file
            return sha1;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Java has no SHA-1", e);
        }
    }
}
