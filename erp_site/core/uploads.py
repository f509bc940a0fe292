"""Files that people send: held in memory, and dropped once they are larger than any page takes."""

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from .tabular import LARGEST_FILE


class LimitedUploadHandler(FileUploadHandler):
    """Django's own handlers write a file of any size to the disk before a view may refuse it.

    One that is too large arrives with its true `size` and nothing in it, so that a form can say what is wrong.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.buffer = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > LARGEST_FILE:
            self.buffer = io.BytesIO()
        else:
            self.buffer.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """Django counts `file_size` itself, what was dropped included."""
        self.buffer.seek(0)
        return InMemoryUploadedFile(
            file=self.buffer,
            field_name=self.field_name,
            name=self.file_name or "",
            content_type=self.content_type or "",
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )
