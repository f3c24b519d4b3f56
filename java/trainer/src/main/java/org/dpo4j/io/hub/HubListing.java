package org.dpo4j.io.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The files of a commit, by path. It never changes, so it is kept beside the files, in the format of
 * huggingface_hub/_tree_cache.py: it says whether a snapshot is complete.
 */
record HubListing(Map<String, HubFile> files) {
    private static final int FORMAT = 1;

    HubListing {
        files = Collections.unmodifiableMap(new TreeMap<>(files));
    }

    static HubListing listing(List<HubFile> files) {
        Map<String, HubFile> byPath = new TreeMap<>();
        files.forEach(file -> byPath.put(file.path(), file));
        return new HubListing(byPath);
    }

    /** Reads a listing from the disk; null if there is none that this version can read. */
    static @Nullable HubListing find(Path file) {
        if (!Files.isRegularFile(file)) {
            return null;
        }
        try {
            ObjectNode json = JsonFile.read(file);
            if (json.path("format_version").asInt() != FORMAT
                    || !json.path("files").isObject()) {
                return null;
            }
            Map<String, HubFile> files = new TreeMap<>();
            for (Map.Entry<String, JsonNode> entry : json.path("files").properties()) {
                files.put(entry.getKey(), HubFile.read(entry.getKey(), entry.getValue()));
            }
            return new HubListing(files);
        } catch (Dpo4jException damaged) {
            return null; // the hub has it still
        }
    }

    void write(Path file) {
        ObjectNode json = JsonFile.object().put("format_version", FORMAT);
        ObjectNode entries = json.putObject("files");
        files.forEach((path, each) -> each.write(entries.putObject(path)));
        OutputFile.write(file, JsonFile.text(json).getBytes(StandardCharsets.UTF_8));
    }
}
