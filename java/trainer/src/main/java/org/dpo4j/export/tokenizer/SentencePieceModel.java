package org.dpo4j.export.tokenizer;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The pieces of a SentencePiece model file, {@code tokenizer.model}: a protocol buffer of the message ModelProto in
 * sentencepiece_model.proto. Other parts of it are skipped.
 *
 * @param pieces in the order of their ids
 */
record SentencePieceModel(List<Piece> pieces) {

    /** A token of the model. */
    record Piece(String text, float score, TokenType type) {}

    // Numbers of fields, and of types of encoding.
    private static final int PIECES = 1;
    private static final int TRAINER = 2;
    private static final int MODEL_TYPE = 3;
    private static final int BPE = 2;
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    static SentencePieceModel read(Path file) {
        ByteBuffer bytes = ByteBuffer.wrap(JsonFile.bytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Piece> pieces = new ArrayList<>();
        int type = 1; // a unigram, unless the file says otherwise
        try {
            while (bytes.hasRemaining()) {
                long tag = varint(bytes);
                if (tag == (PIECES << 3 | BYTES)) {
                    pieces.add(piece(part(bytes)));
                } else if (tag == (TRAINER << 3 | BYTES)) {
                    type = modelType(part(bytes), type);
                } else {
                    skip(bytes, (int) tag & 7);
                }
            }
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            throw new Dpo4jException(file + " is not a SentencePiece model, or is cut short; download it again", e);
        }
        if (pieces.isEmpty() || type != BPE) {
            throw new Dpo4jException(
                    file + " is not a SentencePiece model of type BPE, the only one that GGUF is written"
                            + " for; convert this model with llama.cpp's convert_hf_to_gguf.py");
        }
        return new SentencePieceModel(List.copyOf(pieces));
    }

    private static Piece piece(ByteBuffer message) {
        String text = "";
        float score = 0;
        int type = 1;
        while (message.hasRemaining()) {
            long tag = varint(message);
            if (tag == (1 << 3 | BYTES)) {
                text = StandardCharsets.UTF_8.decode(part(message)).toString();
            } else if (tag == (2 << 3 | FIXED32)) {
                score = message.getFloat();
            } else if (tag == (3 << 3 | VARINT)) {
                type = (int) varint(message);
            } else {
                skip(message, (int) tag & 7);
            }
        }
        return new Piece(text, score, type(type));
    }

    /** llama.cpp's type. As in its converter, user-defined pieces are normal ones, unless another file lists them. */
    private static TokenType type(int number) {
        return switch (number) {
            case 2 -> TokenType.UNKNOWN;
            case 3 -> TokenType.CONTROL;
            case 5 -> TokenType.UNUSED;
            case 6 -> TokenType.BYTE;
            default -> TokenType.NORMAL;
        };
    }

    private static int modelType(ByteBuffer trainer, int absent) {
        int type = absent;
        while (trainer.hasRemaining()) {
            long tag = varint(trainer);
            if (tag == (MODEL_TYPE << 3 | VARINT)) {
                type = (int) varint(trainer);
            } else {
                skip(trainer, (int) tag & 7);
            }
        }
        return type;
    }

    private static long varint(ByteBuffer bytes) {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            byte next = bytes.get();
            value |= (next & 0x7fL) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw new IllegalArgumentException("a number of more than 64 bits");
    }

    /** The bytes of a field, as a buffer of its own. */
    private static ByteBuffer part(ByteBuffer bytes) {
        long length = varint(bytes);
        if (length < 0 || length > bytes.remaining()) {
            throw new IllegalArgumentException("a field of " + length + " bytes");
        }
        ByteBuffer part = bytes.slice(bytes.position(), (int) length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.position(bytes.position() + (int) length);
        return part;
    }

    private static void skip(ByteBuffer bytes, int encoding) {
        switch (encoding) {
            case VARINT -> varint(bytes);
            case FIXED64 -> bytes.getLong();
            case BYTES -> part(bytes);
            case FIXED32 -> bytes.getInt();
            default -> throw new IllegalArgumentException("an unknown encoding");
        }
    }
}
