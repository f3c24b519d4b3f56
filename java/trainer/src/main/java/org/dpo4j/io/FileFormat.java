package org.dpo4j.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Formats that a file may have instead of the expected one. They are recognised by the first bytes, from the
 * specification of each format, not by the name. The first constant that matches is used.
 */
public enum FileFormat {
    /**
     * 8 bytes of header length, then a JSON object (README of safetensors). First, because the length can be any bytes.
     */
    SAFETENSORS("a safetensors file", "it holds weights; give rows") {
        @Override
        boolean matches(byte[] head) {
            if (head.length < 9 || head[8] != '{') {
                return false;
            }
            long header = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getLong();
            return header >= 2 && header < 1L << 32;
        }
    },
    /** Format.md of parquet-format; PARE if the footer is encrypted. */
    PARQUET("a Parquet file", inPython("Dataset.from_parquet(\"%s\")"), "50415231", "50415245"),
    /** The IPC file format, which is also Feather 2. */
    ARROW_FILE("an Arrow IPC or Feather file", asPandas("feather"), "4152524f5731"),
    FEATHER_1("a Feather file", asPandas("feather"), "46454131"),
    /**
     * The IPC stream format: 4 bytes 0xff, then the size of the schema's metadata. Hugging Face's datasets are saved in
     * it.
     */
    ARROW_STREAM("an Arrow IPC stream", inPython("Dataset.from_file(\"%s\")")) {
        @Override
        boolean matches(byte[] head) {
            if (head.length < 8) {
                return false;
            }
            ByteBuffer words = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
            int size = words.getInt(4);
            return words.getInt(0) == -1 && size > 0 && size % 8 == 0;
        }
    },
    ORC("an ORC file", asPandas("orc"), "4f5243"),
    AVRO("an Avro file", "write its rows as JSONL first", "4f626a01"),
    HDF5("an HDF5 file", "write its rows as JSONL first", "894844460d0a1a0a"),
    NUMPY("a NumPy array", "write its rows as JSONL first", "934e554d5059"),
    SQLITE("an SQLite database", "write its rows as JSONL first", "53514c69746520666f726d6174203300"),
    /** PyTorch 1.6 and later: a zip archive, whose first entry is a pickle in a folder. */
    PYTORCH("a PyTorch checkpoint, a pickle", Remedies.PICKLE) {
        @Override
        boolean matches(byte[] head) {
            String names = new String(head, 0, Math.min(head.length, 512), StandardCharsets.ISO_8859_1);
            return ZIP.matches(head) && names.contains("/data.pkl");
        }
    },
    /** ECMA-376 part 2: a zip archive, whose first entry usually lists content types. */
    OFFICE_OPEN("an Excel or Word document", "save its rows as JSONL first") {
        @Override
        boolean matches(byte[] head) {
            String names = new String(head, 0, Math.min(head.length, 512), StandardCharsets.ISO_8859_1);
            return ZIP.matches(head) && names.contains("[Content_Types].xml");
        }
    },
    /** APPNOTE.TXT of PKWARE, 4.3.7, and 4.3.16 for an empty archive. */
    ZIP("a zip archive", unpackedBy("unzip '%s'"), "504b0304", "504b0506"),
    /** Protocol 2 to 5 (pickletools, opcode PROTO). */
    PICKLE("a Python pickle", Remedies.PICKLE, "8002", "8003", "8004", "8005"),
    /** RFC 1952. */
    GZIP("a gzip file", unpackedBy("gzip -d '%s'"), "1f8b"),
    BZIP2("a bzip2 file", unpackedBy("bzip2 -d '%s'"), "425a68..314159265359", "425a68..177245385090"),
    /** The .xz file format 1.2.1, 2.1.1.1. */
    XZ("an xz file", unpackedBy("xz -d '%s'"), "fd377a585a00"),
    LZMA("an lzma file", unpackedBy("xz -d --format=lzma '%s'"), "5d0000"),
    /** RFC 8878, 3.1.1 and 3.1.2. */
    ZSTD("a zstd file", unpackedBy("zstd -d '%s'"), "28b52ffd", "5.2a4d18"),
    LZ4("an lz4 file", unpackedBy("lz4 -d '%s'"), "04224d18"),
    SNAPPY("a Snappy file", unpackedBy("snunzip '%s'"), "ff060000734e61507059"),
    COMPRESS("a .Z file of compress", unpackedBy("uncompress '%s'"), "1f9d"),
    SEVEN_ZIP("a 7z archive", unpackedBy("7z x '%s'"), "377abcaf271c"),
    RAR("a rar archive", unpackedBy("unrar x '%s'"), "526172211a07"),
    /** ustar of POSIX.1-1988: the magic is at byte 257. */
    TAR("a tar archive", unpackedBy("tar -xf '%s'")) {
        @Override
        boolean matches(byte[] head) {
            return head.length >= 262 && new String(head, 257, 5, StandardCharsets.US_ASCII).equals("ustar");
        }
    },
    /** docs/gguf.md of ggml, and its predecessors ggml, ggmf, ggjt and ggla. */
    GGUF(
            "a GGUF file of llama.cpp",
            "it holds weights; give rows",
            "47475546",
            "6c6d6767",
            "666d6767",
            "746a6767",
            "616c6767"),
    PDF("a PDF file", "write its text as JSONL first", "255044462d"),
    OFFICE("an Office document", "save its rows as JSONL first", "d0cf11e0a1b11ae1", "7b5c727466"),
    IMAGE("an image", "give rows of text", "89504e470d0a1a0a", "ffd8ff", "47494638"),
    /** Before UTF-16, because its byte order mark begins with that of UTF-16. */
    UTF_32("UTF-32", "save it as UTF-8", "fffe0000", "0000feff", "7b000000", "5b000000", "0000007b", "0000005b"),
    /** A byte order mark, or a bracket of 2 bytes. */
    UTF_16("UTF-16", "save it as UTF-8", "fffe", "feff", "7b00", "5b00", "007b", "005b"),
    /** docs/spec.md of git-lfs; hawser is its earlier name. */
    LFS_POINTER(
            "a Git LFS pointer, not the file itself", "run git lfs pull where it was cloned, or download the file") {
        @Override
        boolean matches(byte[] head) {
            String text = text(head);
            return text.startsWith("version https://git-lfs.github.com/spec/")
                    || text.startsWith("version https://hawser.github.com/spec/");
        }
    },
    /** git-merge(1), "How conflicts are presented": 7 signs at the start of a line. */
    MERGE_CONFLICT(
            "a file with git's merge conflict markers",
            "keep one version of each conflict, without the lines of <, = and >") {
        @Override
        boolean matches(byte[] head) {
            String text = text(head);
            return isMergeConflict(text) && !text.contains("\0");
        }
    },
    HTML("a web page", "download the file itself: a login or an error may have answered with this page") {
        @Override
        boolean matches(byte[] head) {
            String text = text(head).toLowerCase(Locale.ROOT);
            return text.startsWith("<!doctype html") || text.startsWith("<html") || text.startsWith("<head");
        }
    },
    XML("an XML file", "write its rows as JSONL first") {
        @Override
        boolean matches(byte[] head) {
            return text(head).startsWith("<");
        }
    },
    BINARY("a binary file of unknown format", "give rows as JSONL") {
        @Override
        boolean matches(byte[] head) {
            if (head.length == 0 || isLikeJson(text(head))) {
                return false;
            }
            String begin = new String(head, 0, Math.min(head.length, 512), StandardCharsets.UTF_8);
            long strange = begin.chars()
                    .filter(c -> c == '\ufffd' || (Character.isISOControl(c) && !Character.isWhitespace(c)))
                    .count();
            return begin.indexOf('\0') >= 0 || strange > begin.length() / 10;
        }
    },
    /** YAML 1.2: a document marker, or a list of mappings. */
    YAML("a YAML file", "write its rows as JSONL first") {
        @Override
        boolean matches(byte[] head) {
            List<String> lines = text(head).lines().toList();
            return !lines.isEmpty()
                    && lines.get(0).matches("---|- *[\\w\"']+ *:.*")
                    && lines.stream().noneMatch(FileFormat::isLikeJson);
        }
    },
    CSV("a CSV file", inPython("Dataset.from_csv(\"%s\")")) {
        @Override
        boolean matches(byte[] head) {
            return isTable(head, ",") || isTable(head, ";");
        }
    },
    TSV("a TSV file", inPython("Dataset.from_csv(\"%s\", sep=\"\\t\")")) {
        @Override
        boolean matches(byte[] head) {
            return isTable(head, "\t");
        }
    };

    /** First line of a conflict. It cannot be inside a JSON text, which has no line breaks. */
    private static final Pattern CONFLICT = Pattern.compile("^<{7} ", Pattern.MULTILINE);

    /** Number of first bytes that {@link #find(byte[])} needs. */
    public static final int HEAD_BYTES = 1 << 16;

    private static final class Remedies {
        static final String PICKLE = "loading it can run code, so it is never loaded; give rows as JSONL";
    }

    private final String description;
    private final String remedy;
    private final List<String> magic;

    /** {@code magic}: alternative first bytes in hexadecimal, with a dot for any digit. */
    FileFormat(String description, String remedy, String... magic) {
        this.description = description;
        this.remedy = remedy;
        this.magic = List.of(magic);
    }

    private static String inPython(String dataset) {
        return "write it as JSONL first, in Python: datasets." + dataset + ".to_json(\"rows.jsonl\")";
    }

    private static String asPandas(String reader) {
        return "write it as JSONL first, in Python: pandas.read_" + reader
                + "(\"%s\").to_json(\"rows.jsonl\", orient=\"records\", lines=True)";
    }

    private static String unpackedBy(String command) {
        return "unpack it first (" + command + ")";
    }

    /** The format of a file with these first bytes; null if it is none of these, for example JSON. */
    public static @Nullable FileFormat find(byte[] head) {
        return Arrays.stream(values())
                .filter(format -> format.matches(head))
                .findFirst()
                .orElse(null);
    }

    /** As {@link #find(byte[])}, for a regular file. */
    public static @Nullable FileFormat find(Path file) throws IOException {
        try (InputStream input = Files.newInputStream(file)) {
            return find(input.readNBytes(HEAD_BYTES));
        }
    }

    boolean matches(byte[] head) {
        String digits = HexFormat.of().formatHex(head, 0, Math.min(head.length, 16));
        return magic.stream().anyMatch(begin -> digits.matches(begin + ".*"));
    }

    /** Whether the text contains an unresolved git merge conflict. */
    public static boolean isMergeConflict(String text) {
        return CONFLICT.matcher(text).find();
    }

    /** Name of the format, with an article. */
    public String description() {
        return description;
    }

    /** Advice for a file that has this format instead of the expected one. */
    public String remedy() {
        return remedy;
    }

    /** The error for a file of this format that should hold rows. */
    public String refuseRows(String file) {
        return file + " is " + description + "; " + remedy.formatted(file);
    }

    /** The error for a file of this format in a model directory, whose name claims another format. */
    public String refuseModelFile(Path file) {
        String remedy = switch (this) {
            case LFS_POINTER, HTML, MERGE_CONFLICT -> this.remedy;
            case PICKLE, PYTORCH ->
                "loading it can run code, so it is never loaded; save the model with transformers'"
                        + " save_pretrained(safe_serialization=True)";
            default -> "download it again";
        };
        return file + " is " + description + "; " + remedy;
    }

    /** The first bytes as text, without byte order mark and leading white space. */
    private static String text(byte[] head) {
        String text = new String(head, StandardCharsets.UTF_8);
        return (text.startsWith("\ufeff") ? text.substring(1) : text).stripLeading();
    }

    /**
     * Whether the first line is a list of names with this separator. False if any line begins like JSON, because it may
     * be JSON lines whose first line is damaged.
     */
    private static boolean isTable(byte[] head, String separator) {
        List<String> lines = text(head).lines().toList();
        if (lines.isEmpty() || lines.stream().anyMatch(FileFormat::isLikeJson)) {
            return false;
        }
        String[] names = lines.get(0).split(separator, -1);
        return names.length > 1
                && Arrays.stream(names).allMatch(name -> name.strip().matches("\"[^\"]+\"|[^\"{}\\[\\]:.!?]{1,40}"));
    }

    private static boolean isLikeJson(String line) {
        String text = line.stripLeading();
        return text.startsWith("{") || text.startsWith("[");
    }
}
