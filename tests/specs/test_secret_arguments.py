"""Passwords that are arguments of known programs are refused; the same options of other programs are taken."""

from __future__ import annotations

import pytest

from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.refusal import Refused
from treering.specs.secret_texts import written_out
from treering.specs.submitted import check_job

KEY = "0123456789abcdef" * 2 + "01234567"
GIVEN = [
    "mysql -u root -phunter22 db", "`mysql -phunter22`",
    "sudo /usr/bin/mysqldump -uroot -p'hunter 22' db > x", "cd x && mysql -phunter22",
    "docker exec -it db mysql -uroot -phunter22", "bash -c 'mysql -phunter22 db'", "x=$(mysql -phunter22 -e q)",
    "sshpass -p hunter22 ssh h", "sshpass -phunter22 scp a b", "sshpass -p 'hunter22' ssh -p 22 h",
    "az login --service-principal -u app -p hunter22 --tenant t", "az acr login -n r -u u -p hunter22",
    "docker login -u me -p hunter22 r.io", "docker login -phunter22", "docker login \\\n  -u me \\\n  -p hunter22",
    "if true; then podman login -p hunter22 r; fi", "helm registry login r -u u -p hunter22",
    "echo hunter22 | docker login -u me --password-stdin", "printf '%s' hunter22 | docker login --password-stdin r",
    "docker login --password-stdin <<< hunter22", "docker login --password-stdin <<<'hunter22'",
    "echo -n 'hunter22' | sudo -S apt-get update", "echo root:hunter22 | chpasswd",
    "echo hunter22 | gh auth login --with-token",
    f"wandb login {KEY}", f"wandb login --relogin '{KEY}' && python t.py", f"echo {KEY} | wandb login",
    f"python -c \"import wandb; wandb.login(key='{KEY}')\"", "redis-cli -h h -a hunter22 ping",
    "twine upload -u u -p hunter22 d/*",
    "mongosh -u u -p hunter22 --host h", "ldapsearch -D cn=a -w hunter22", "unzip -P hunter22 a.zip",
    "7z x -phunter22 a.7z",
    "sqlcmd -S h -U u -P hunter22", "aws configure set aws_secret_access_key hunter22",
    "timeout 10s mysql -phunter22",
    "dvc remote modify --local r secret_access_key hunter22", "poetry config pypi-token.pypi hunter22",
]  # fmt: skip
TAKEN = [
    "mkdir -p outputs/models", "docker run -p 8080:80 image", "docker run -p localhost:8080:80 image login",
    "ssh -p 22 me@host",
    "mysql -p database", "mysql -uroot -p$PW db", 'mysql -p"$PW" db', "mysql -P 3306 -h hostname db",
    "mysql -p${{inputs.pw}}",
    "sshpass -e ssh h",
    "sshpass -e ssh h mkdir -p outputs", "sshpass -fsecret ssh h mkdir -p outputs",
    "sshpass -f secret.txt ssh h", "sshpass -p $PW ssh -p 2222 me@host",
    "sshpass -p \"$PW\" mkdir -p outputs",
    "az login --identity -u client-id", "az login -u app -p $PW --tenant tenant", "az login -p /mnt/cert.pem",
    "az login -p cert.pem",
    "docker login -u username registry.io", "docker login -p $(cat token)", "docker login -p \"$(cat token)\"",
    "cat token.txt | docker login --password-stdin", "echo $PW | docker login --password-stdin",
    "echo \"${PW}\" | docker login --password-stdin",
    "docker login --password-stdin <<< $PW", "echo starting | tee log.txt", "echo training | python t.py",
    "wandb login", "wandb login $WANDB",
    "wandb login --relogin --host=https://wandb.example.com", f"git checkout {KEY}", f"python t.py --revision {KEY}",
    "wandb login; git checkout " + KEY,
    "apt-get install -y mysql -platform", "pip install mysql sshpass -prefer", "python t.py mysql -platform",
    "unzip -d folder archive.zip",
    "redis-cli -a $PW ping", "rsync -avzP source target", "cp -p source target", "ps -p 123456",
    "python -m http.server -p something",
    "zip -r outputs.zip outputs", "mongosh -p mongodb://host/database",
    "az acr login --name registry; mkdir -p outputs", "sudo -S true",
    "aws configure set region westeurope", "dvc remote modify remote url storage",
    "aws configure set aws_secret_access_key $KEY",
    "git config credential.helper manager", "echo 'it''s", "echo \"unclosed", "mysql", "aws configure",
    "poetry config", "twine upload dist/*", "",
    "docker build -p login", "docker-compose -p project login", "aws configure list",
    "sqlcmd -S server -U user -P $PW",
]  # fmt: skip


@pytest.mark.parametrize("command", GIVEN)
def test_a_password_given_to_a_known_program_is_refused(command: str) -> None:
    with pytest.raises(Refused, match=r"^job\.secret_in_text: command has .* environment_variables") as refused:
        check_job(JobSpec(command=command, environment=EnvironmentSpec()))
    assert "hunter" not in refused.value.detail and KEY not in refused.value.detail


@pytest.mark.parametrize("command", TAKEN)
def test_the_same_options_of_other_programs_and_values_from_elsewhere_are_taken(command: str) -> None:
    assert written_out(command) == ""


@pytest.mark.parametrize("part", ["mysql -p ", "docker login ", '"', "'", "echo | ", "\\", "sudo ", "( ", "'\""])
def test_any_text_of_the_greatest_length_is_read(part: str) -> None:
    assert written_out(part * (100_000 // len(part))) == ""
