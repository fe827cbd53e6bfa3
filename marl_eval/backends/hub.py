"""Models on the Hugging Face Hub: the commit that an id stands for, with or without a network."""

from __future__ import annotations

from pathlib import Path

from marl_eval.errors import UserError


def find_on_hub(name: str, file: str, revision: str | None) -> tuple[Path, bool]:
    """Give the folder in the hub's cache of the commit that an id stands for, and whether it is new.

    ``file`` is fetched into it; the folder is named by the commit. Where the hub cannot be reached,
    it is the commit that was fetched before, which may be old.

    Raises:
        UserError: if the hub does not give the model, and it was not fetched before.
    """
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        RevisionNotFoundError,
    )

    try:
        # To fetch is to try for half a minute where there is no network; this asks once.
        get_hf_file_metadata(hf_hub_url(name, file, revision=revision))
        return Path(hf_hub_download(name, file, revision=revision)).parent, True
    except HFValidationError as error:
        raise UserError(
            f"There is no folder {name!r}, and no model on the Hugging Face Hub can have that name."
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            f"The model {name!r} on the Hugging Face Hub has no revision {revision!r}."
        ) from error
    except EntryNotFoundError as error:
        raise UserError(
            f"The model {name!r} on the Hugging Face Hub has no {file}, so it cannot be loaded as "
            f"what it is asked for: give a checkpoint by --model, and an adapter of it by "
            f"--model-args adapter=ID."
        ) from error
    except Exception as error:
        # The client passes on what its transport raises, which differs among its versions.
        known = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(known, str):
            return Path(known).parent, False
        raise _not_given(name, error) from error


def _not_given(name: str, error: Exception) -> UserError:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return UserError(
            f"The model {name!r} on the Hugging Face Hub is given to those who accepted its terms: "
            f"accept them on its page, and give your token in the environment as HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return UserError(
            f"There is no folder {name!r}, and no such model on the Hugging Face Hub that you may "
            f"read: correct the name, or give your token in the environment as HF_TOKEN."
        )
    if isinstance(error, OfflineModeIsEnabled):
        reason = "the environment says to do without it"
    elif isinstance(error, HfHubHTTPError):
        reason = f"it answers with status {error.response.status_code}"
    else:
        lines = str(error).splitlines()
        reason = lines[0].rstrip(".") if lines else type(error).__name__
    return UserError(
        f"There is no folder {name!r}, and the Hugging Face Hub, which may have a model of that name, "
        f"cannot be reached ({reason}): give a folder that holds a checkpoint, or a network."
    )
