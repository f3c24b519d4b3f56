package org.dpo4j.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The first bytes of a file, from the specification beside each line, and the format that is found. */
class FileFormatTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "PAR1\\15\\04\\15|PARQUET", // parquet-format, README: 4-byte magic number PAR1
                "PARE\\15\\04\\15|PARQUET", // parquet-format, Encryption.md 5.1
                "ARROW1\\00\\00\\ff\\ff\\ff\\ff|ARROW_FILE", // Arrow, Format.rst: IPC File Format
                "FEA1\\00\\00\\00\\00|FEATHER_1", // Feather v1, metadata.fbs
                "\\ff\\ff\\ff\\ff\\70\\01\\00\\00\\10\\00|ARROW_STREAM", // Arrow, Format.rst: encapsulated messages
                "ORC\\11\\00|ORC", // ORC v1: File Tail
                "Obj\\01\\04\\14|AVRO", // Avro 1.11: Object Container Files
                "\\89HDF\\0d\\0a\\1a\\0a|HDF5", // HDF5 File Format 3.0, II.A
                "\\93NUMPY\\01\\00|NUMPY", // NEP 1
                "SQLite format 3\\00|SQLITE", // fileformat2, 1.3.1
                "PK\\03\\04\\14\\00\\00\\00\\08\\00|ZIP", // APPNOTE 4.3.7
                "PK\\05\\06\\00\\00\\00\\00|ZIP", // APPNOTE 4.3.16: of no entries
                "\\80\\02\\8a\\0a\\6c\\fc\\9c\\46\\f9\\20\\6a\\a8\\50\\19|PICKLE", // torch.serialization: before 1.6
                "\\80\\04\\95\\10\\00|PICKLE", // PEP 3154
                "\\80\\05\\95\\10\\00|PICKLE", // PEP 574
                "\\1f\\8b\\08\\00|GZIP", // RFC 1952, 2.3.1
                "BZh9\\31\\41\\59\\26\\53\\59|BZIP2", // bzip2: a block begins with the digits of pi
                "BZh9\\17\\72\\45\\38\\50\\90|BZIP2", // an empty file: the digits of the square root of pi end it
                "\\fd7zXZ\\00\\00\\04|XZ", // xz-file-format 2.1.1.1
                "\\5d\\00\\00\\80\\00\\ff|LZMA", // lzma-file-format 1.1: properties 3, 0, 2, then the dictionary
                "\\28\\b5\\2f\\fd\\04|ZSTD", // RFC 8878, 3.1.1
                "\\5e\\2a\\4d\\18\\04|ZSTD", // RFC 8878, 3.1.2
                "\\04\\22\\4d\\18\\64|LZ4", // LZ4 frame format 1.6: little-endian 0x184D2204
                "\\ff\\06\\00\\00sNaPpY|SNAPPY", // framing_format.txt 4.1
                "\\1f\\9d\\90|COMPRESS", // compress(1)
                "7z\\bc\\af\\27\\1c\\00\\04|SEVEN_ZIP", // 7zFormat.txt
                "Rar!\\1a\\07\\01\\00|RAR", // RAR 5.0 technical note
                "GGUF\\03\\00\\00\\00|GGUF", // ggml, docs/gguf.md
                "lmgg\\01\\00|GGUF", // ggml's 0x67676d6c, little-endian
                "tjgg\\03\\00|GGUF", // ggjt
                "%PDF-1.7|PDF", // ISO 32000-1, 7.5.2
                "\\d0\\cf\\11\\e0\\a1\\b1\\1a\\e1|OFFICE", // MS-CFB 2.2
                "{\\5crtf1|OFFICE", // RTF 1.9.1
                "\\89PNG\\0d\\0a\\1a\\0a|IMAGE", // RFC 2083, 3.1
                "\\ff\\d8\\ff\\e0|IMAGE", // ITU T.81, B.1.1.3
                "\\ff\\fe{\\00|UTF_16", // RFC 2781, 3.2
                "\\fe\\ff\\00{|UTF_16",
                "{\\00\"\\00|UTF_16", // without a mark
                "\\00[\\00{|UTF_16",
                "\\ff\\fe\\00\\00{\\00\\00\\00|UTF_32",
                "{\\00\\00\\00\"\\00\\00\\00|UTF_32",
                "\\10\\00\\00\\00\\00\\00\\00\\00{\"a\"|SAFETENSORS", // safetensors, README: Format
                "\\1f\\8b\\00\\00\\00\\00\\00\\00{\"a\"|SAFETENSORS", // a header of 35,615 bytes, not gzip
                "\\80\\02\\00\\00\\00\\00\\00\\00{\"a\"|SAFETENSORS", // of 640, not a pickle
                "version https://git-lfs.github.com/spec/v1\\0aoid sha256:4d7a|LFS_POINTER", // git-lfs, docs/spec.md
                "<!DOCTYPE html>\\0a<html>|HTML",
                "\\ef\\bb\\bf\\0a <HTML lang=\"en\">|HTML",
                "<<<<<<< HEAD\\0a{}\\0a=======\\0a[]\\0a>>>>>>> main|MERGE_CONFLICT", // git-merge(1), How conflicts are
                // presented
                "{\\0a<<<<<<< ours\\0a\"a\": 1,\\0a=======\\0a>>>>>>> theirs|MERGE_CONFLICT",
                "<?xml version=\"1.0\"?>|XML",
                "prompt,chosen,rejected\\0aa,b,c|CSV", // RFC 4180, 2.3
                "\"prompt\",\"chosen\"\\0d\\0a\"a, b\",\"c\"|CSV",
                "prompt;chosen\\0aa;b|CSV",
                "prompt\\09chosen\\09rejected\\0aa\\09b\\09c|TSV",
                "- prompt: a\\0a  chosen: b|YAML", // YAML 1.2, example 2.4
                "---\\0aprompt: a|YAML", // 9.1.4
                "\\01\\02\\00\\03|BINARY",
                "\\91\\e2\\15\\c3\\7f\\a8\\03\\fe\\90|BINARY" // neither zeros nor UTF-8
            })
    void aFormatIsFoundByItsFirstBytes(String head, FileFormat format) {
        assertThat(FileFormat.find(bytes(head))).isEqualTo(format);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"prompt\":\"a\"}",
                " \\0a[{\"a\":1}]",
                "\\ef\\bb\\bf{}",
                "{\"a\":\"PAR1\"}",
                "{oops, a\\0a",
                "caf\\e9 au lait\\0a", // Latin-1
                "- a: b\\0a{\"prompt\":\"a\"}",
                "a,b\\0a{\"prompt\":\"a\"}", // the first of JSON lines may be spoilt
                "\"a\": 1, \"b\": 2",
                "{\"a\":\"\\00\"}",
                "{\"a\":\"<<<<<<< HEAD\"}",
                "",
                "\\0a"
            })
    void otherFilesHaveNoFormat(String head) {
        assertThat(FileFormat.find(bytes(head))).isNull();
    }

    /** POSIX.1-1988, pax interchange: magic ustar after the 257 bytes of the fields before it. */
    @Test
    void archivesAreToldApart() throws IOException {
        byte[] tar = new byte[512];
        System.arraycopy("rows.jsonl".getBytes(StandardCharsets.US_ASCII), 0, tar, 0, 10);
        System.arraycopy("ustar\000".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 6);
        assertThat(FileFormat.find(tar)).isEqualTo(FileFormat.TAR);
        assertThat(FileFormat.find(zip("archive/data.pkl"))).isEqualTo(FileFormat.PYTORCH);
        assertThat(FileFormat.find(zip("[Content_Types].xml"))).isEqualTo(FileFormat.OFFICE_OPEN);
        assertThat(FileFormat.find(zip("rows.jsonl"))).isEqualTo(FileFormat.ZIP);
    }

    @Test
    void theErrorSaysWhatToDo() {
        assertThat(FileFormat.PARQUET.refuseRows("a.jsonl"))
                .isEqualTo("a.jsonl is a Parquet file; write it as JSONL first, in Python:"
                        + " datasets.Dataset.from_parquet(\"a.jsonl\").to_json(\"rows.jsonl\")");
        assertThat(FileFormat.ZSTD.refuseRows("a.jsonl"))
                .isEqualTo("a.jsonl is a zstd file; unpack it first (zstd -d 'a.jsonl')");
        assertThat(FileFormat.LFS_POINTER.refuseRows("a%s.jsonl"))
                .isEqualTo("a%s.jsonl is a Git LFS pointer, not the file itself; run git lfs pull where it was cloned,"
                        + " or download the file");
    }

    private static byte[] zip(String entry) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry(entry));
        }
        return bytes.toByteArray();
    }

    /** Characters are bytes, and a backslash with two hexadecimal digits is one. */
    private static byte[] bytes(String written) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int i = 0; i < written.length(); i++) {
            if (written.charAt(i) == '\\') {
                bytes.write(HexFormat.fromHexDigits(written, i + 1, i + 3));
                i += 2;
            } else {
                bytes.write(written.charAt(i));
            }
        }
        return bytes.toByteArray();
    }
}
